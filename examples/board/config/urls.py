"""The board, and the admin to tidy it up with."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("notes.urls")),
    path("admin/", admin.site.urls),
    # Pictures by Django itself, which it does while debugging only; else nginx has them.
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
