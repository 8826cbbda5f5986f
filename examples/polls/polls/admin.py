"""Where questions are written."""

from django.contrib import admin

from .models import Choice, Question


class ChoiceInline(admin.TabularInline):
    """Choices on their question's page. Votes are for looking at, not for editing."""

    model = Choice
    extra = 2
    readonly_fields = ["votes"]


@admin.register(Question)
class QuestionAdmin(admin.ModelAdmin):
    """A question with its choices."""

    date_hierarchy = "opens"
    inlines = [ChoiceInline]
    list_display = ["text", "opens", "closes"]
    search_fields = ["text"]
