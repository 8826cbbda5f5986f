"""The app as Django registers it."""

from django.apps import AppConfig


class PollsConfig(AppConfig):
    """Questions, their choices, and counting votes."""

    name = "polls"
