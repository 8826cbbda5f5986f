"""What the database accepts, what the public sees, and how votes are counted."""

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from polls.models import Choice, Question


def ask(text="Tea or coffee?", choices=("Tea", "Coffee"), **fields):
    """A question with its choices."""
    question = Question.objects.create(text=text, **fields)
    for choice in choices:
        question.choices.create(text=choice)
    return question


class SampleTests(TestCase):
    def test_a_fresh_site_asks_one_question(self):
        self.assertEqual(Question.objects.visible().count(), 1)
        self.assertEqual(Question.objects.get().choices.count(), 3)


class ConstraintTests(TestCase):
    def test_a_question_cannot_close_before_it_opens(self):
        now = timezone.now()
        with self.assertRaises(IntegrityError):
            ask(opens=now, closes=now - timedelta(hours=1))

    def test_the_admin_hears_of_it_before_the_database_does(self):
        now = timezone.now()
        question = Question(text="?", opens=now, closes=now - timedelta(hours=1))
        with self.assertRaisesMessage(ValidationError, "can't close before it opens"):
            question.full_clean()

    def test_a_question_needs_a_text(self):
        with self.assertRaises(IntegrityError):
            ask(text="")

    def test_a_choice_needs_a_text(self):
        with self.assertRaises(IntegrityError):
            ask(choices=[""])

    def test_the_same_choice_cannot_stand_twice_in_a_question(self):
        with self.assertRaises(IntegrityError):
            ask(choices=["Tea", "Tea"])

    def test_the_same_choice_can_stand_in_two_questions(self):
        ask(choices=["Yes"])
        ask(choices=["Yes"])
        self.assertEqual(Choice.objects.filter(text="Yes").count(), 2)


class VisibleTests(TestCase):
    def test_a_question_without_choices_is_hidden(self):
        self.assertNotIn(ask(choices=[]), Question.objects.visible())

    def test_a_question_of_tomorrow_is_hidden(self):
        tomorrow = timezone.now() + timedelta(days=1)
        self.assertNotIn(ask(opens=tomorrow), Question.objects.visible())

    def test_a_closed_question_stays_visible(self):
        now = timezone.now()
        old = ask(opens=now - timedelta(days=2), closes=now - timedelta(days=1))
        self.assertIn(old, Question.objects.visible())
        self.assertFalse(old.is_open)

    def test_the_newest_comes_first(self):
        now = timezone.now()
        older = ask(opens=now - timedelta(days=2))
        newer = ask(opens=now - timedelta(days=1))
        shown = list(Question.objects.visible().filter(pk__in=[older.pk, newer.pk]))
        self.assertEqual(shown, [newer, older])


class VoteTests(TestCase):
    def test_votes_cast_from_two_stale_copies_both_count(self):
        tea = ask().choices.get(text="Tea")
        first = Question.objects.get(pk=tea.question_id)
        second = Question.objects.get(pk=tea.question_id)
        first.vote(tea.pk)
        second.vote(tea.pk)
        tea.refresh_from_db()
        self.assertEqual(tea.votes, 2)

    def test_the_database_does_the_addition(self):
        tea = ask().choices.get(text="Tea")
        question = tea.question
        with CaptureQueriesContext(
            connection,
        ) as queries:
            question.vote(tea.pk)
        self.assertEqual(len(queries), 1)
        self.assertRegex(queries[0]["sql"], r'SET "votes" = \(.*"votes" \+ 1\)')

    def test_a_choice_of_another_question_is_refused_and_not_counted(self):
        other = ask().choices.first()
        with self.assertRaises(ValidationError):
            ask().vote(other.pk)
        other.refresh_from_db()
        self.assertEqual(other.votes, 0)
