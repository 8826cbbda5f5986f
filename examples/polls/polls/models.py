"""Questions and the choices people vote for."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class QuestionQuerySet(models.QuerySet):
    """Ways to narrow questions down."""

    def visible(self):
        """Those the public may see: their time has come, and there is something to choose."""
        has_choice = Choice.objects.filter(question=models.OuterRef("pk"))
        return self.filter(models.Exists(has_choice), opens__lte=timezone.now())


class Question(models.Model):
    """One thing that is asked, between two moments."""

    text = models.CharField(max_length=200)
    opens = models.DateTimeField(default=timezone.now, db_index=True)
    closes = models.DateTimeField(null=True, blank=True, help_text="Empty: stays open.")

    objects = QuestionQuerySet.as_manager()

    class Meta:
        ordering = ["-opens", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(closes__isnull=True) | Q(closes__gt=F("opens")),
                name="question_closes_after_it_opens",
                violation_error_message="A question can't close before it opens.",
            ),
            models.CheckConstraint(
                condition=~Q(text=""),
                name="question_has_text",
                violation_error_message="A question needs a text.",
            ),
        ]

    def __str__(self):
        return self.text

    @property
    def is_open(self):
        """Whether votes are taken right now."""
        now = timezone.now()
        return self.opens <= now and (self.closes is None or now < self.closes)

    def vote(self, choice_pk):
        """Counts one vote. Raises ValidationError if it can't be counted."""
        if not self.is_open:
            raise ValidationError("Voting is over.", code="closed")
        try:
            # The addition is the database's: two votes at the same moment both count.
            counted = self.choices.filter(pk=choice_pk).update(votes=F("votes") + 1)
        except (TypeError, ValueError, OverflowError):
            counted = 0
        if not counted:
            raise ValidationError("Pick one of the choices.", code="choice")


class Choice(models.Model):
    """One possible answer, and how many gave it."""

    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="choices")
    text = models.CharField(max_length=200)
    votes = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["question", "text"],
                name="choice_once_per_question",
                violation_error_message="This choice is there already.",
            ),
            models.CheckConstraint(
                condition=~Q(text=""),
                name="choice_has_text",
                violation_error_message="A choice needs a text.",
            ),
        ]

    def __str__(self):
        return self.text
