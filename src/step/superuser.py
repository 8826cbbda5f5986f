import sys
from django.contrib.auth import get_user_model
name, email, password = sys.stdin.read().split("\n", 2)
users = get_user_model().objects
if users.filter(**{get_user_model().USERNAME_FIELD: name}).exists():
    print("the superuser is there already")
else:
    users.create_superuser(name, email, password)
    print("the superuser was made")
