"""One question to begin with, so that a fresh site has something to show."""

from django.db import migrations

TEXT = "What should run your next release?"
CHOICES = ["A person with a checklist", "A shell script", "A tool that proves it worked"]


def add(apps, schema_editor):
    question = apps.get_model("polls", "Question").objects.create(text=TEXT)
    choice = apps.get_model("polls", "Choice")
    choice.objects.bulk_create(choice(question=question, text=text) for text in CHOICES)


class Migration(migrations.Migration):
    """Undoing it leaves the question where it is: people may have voted by then."""

    dependencies = [("polls", "0001_initial")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
