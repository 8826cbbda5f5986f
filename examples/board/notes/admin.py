"""Where notes are taken down."""

from django.contrib import admin

from .models import Network, Note


@admin.register(Note)
class NoteAdmin(admin.ModelAdmin):
    """A note, with what was noted of it."""

    date_hierarchy = "left"
    list_display = ["__str__", "name", "place", "left"]
    readonly_fields = ["place", "left"]
    search_fields = ["text", "name"]


@admin.register(Network)
class NetworkAdmin(admin.ModelAdmin):
    """A range of addresses."""

    list_display = ["place", "first", "last"]
    search_fields = ["place"]
