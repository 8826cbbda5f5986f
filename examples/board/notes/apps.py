"""The app as Django registers it."""

from django.apps import AppConfig


class NotesConfig(AppConfig):
    """Notes on a board, and where they came from."""

    name = "notes"
