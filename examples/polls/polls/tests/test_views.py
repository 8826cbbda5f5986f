"""The pages as a browser and a health probe see them."""

from datetime import timedelta

from django.contrib.auth import get_user_model
from django.test import Client, TestCase, override_settings
from django.urls import reverse
from django.utils import timezone

from polls.models import Question

from .test_models import ask


class IndexTests(TestCase):
    def test_the_page_is_there_when_nothing_is_asked(self):
        Question.objects.all().delete()
        response = self.client.get("/polls/")
        self.assertContains(response, "Nothing is being asked")

    def test_visible_questions_are_listed_and_hidden_ones_are_not(self):
        ask("Cats or dogs?")
        ask("Too early?", opens=timezone.now() + timedelta(days=1))
        response = self.client.get("/polls/")
        self.assertContains(response, "Cats or dogs?")
        self.assertNotContains(response, "Too early?")

    def test_markup_in_a_question_is_shown_and_not_run(self):
        ask("<script>alert(1)</script>")
        self.assertNotContains(self.client.get("/polls/"), "<script>")

    def test_the_root_leads_to_the_polls(self):
        self.assertRedirects(self.client.get("/"), "/polls/")

    def test_the_query_count_does_not_grow_with_the_questions(self):
        for number in range(10):
            ask(f"Question {number}?")
        with self.assertNumQueries(1):
            self.client.get("/polls/")


class DetailTests(TestCase):
    def test_every_choice_is_offered(self):
        question = ask()
        response = self.client.get(reverse("polls:detail", args=[question.pk]))
        for choice in question.choices.all():
            self.assertContains(response, f'value="{choice.pk}"')

    def test_a_closed_question_has_no_form(self):
        response = self.client.get(reverse("polls:detail", args=[closed().pk]))
        self.assertContains(response, "has closed")
        self.assertNotContains(response, "<form")

    def test_a_hidden_question_is_not_found_on_any_page(self):
        hidden = ask(opens=timezone.now() + timedelta(days=1))
        for page in ("detail", "results"):
            response = self.client.get(reverse(f"polls:{page}", args=[hidden.pk]))
            self.assertEqual(response.status_code, 404, page)
        response = self.client.post(reverse("polls:vote", args=[hidden.pk]))
        self.assertEqual(response.status_code, 404)


class VoteTests(TestCase):
    def setUp(self):
        self.question = ask()
        self.tea = self.question.choices.get(text="Tea")
        self.url = reverse("polls:vote", args=[self.question.pk])

    def votes(self):
        self.tea.refresh_from_db()
        return self.tea.votes

    def test_a_vote_is_counted_and_leads_to_the_results(self):
        response = self.client.post(self.url, {"choice": self.tea.pk}, follow=True)
        self.assertEqual(
            response.redirect_chain, [(reverse("polls:results", args=[self.question.pk]), 302)]
        )
        self.assertContains(response, "1 vote so far")
        self.assertEqual(self.votes(), 1)

    def test_a_get_is_refused_and_counts_nothing(self):
        self.assertEqual(self.client.get(self.url, {"choice": self.tea.pk}).status_code, 405)
        self.assertEqual(self.votes(), 0)

    def test_no_choice_or_a_senseless_one_shows_the_form_again(self):
        for data in ({}, {"choice": ""}, {"choice": "x"}, {"choice": "9" * 40}, {"choice": "0"}):
            response = self.client.post(self.url, data)
            self.assertContains(response, "Pick one", status_code=400, msg_prefix=str(data))
        self.assertEqual(self.votes(), 0)

    def test_a_closed_question_takes_no_votes(self):
        question = closed()
        choice = question.choices.first()
        response = self.client.post(
            reverse("polls:vote", args=[question.pk]), {"choice": choice.pk}
        )
        self.assertEqual(response.status_code, 409)
        choice.refresh_from_db()
        self.assertEqual(choice.votes, 0)

    def test_a_vote_without_the_token_is_refused(self):
        strict = Client(enforce_csrf_checks=True)
        self.assertEqual(strict.post(self.url, {"choice": self.tea.pk}).status_code, 403)
        self.assertEqual(self.votes(), 0)


class ResultsTests(TestCase):
    def test_the_most_wanted_choice_stands_first(self):
        question = ask()
        question.vote(question.choices.get(text="Coffee").pk)
        response = self.client.get(reverse("polls:results", args=[question.pk]))
        page = response.content.decode()
        self.assertLess(page.index("Coffee"), page.index("Tea</dt>"))

    def test_a_question_nobody_answered_has_results_too(self):
        response = self.client.get(reverse("polls:results", args=[ask().pk]))
        self.assertContains(response, "0 votes so far")


class ServedByTests(TestCase):
    @override_settings(SERVED_BY="app1")
    def test_every_response_says_who_served_it(self):
        for path in ("/polls/", "/", "/nowhere/"):
            self.assertEqual(self.client.get(path)["X-Served-By"], "app1", path)


class AdminTests(TestCase):
    def test_a_question_is_written_with_its_choices(self):
        self.client.force_login(get_user_model().objects.create_superuser("root"))
        data = {
            "text": "Bus or bike?",
            "opens_0": "2026-01-01",
            "opens_1": "12:00:00",
            "choices-TOTAL_FORMS": "2",
            "choices-INITIAL_FORMS": "0",
            "choices-0-text": "Bus",
            "choices-1-text": "Bike",
        }
        response = self.client.post("/admin/polls/question/add/", data)
        self.assertRedirects(response, "/admin/polls/question/")
        question = Question.objects.get(text="Bus or bike?")
        self.assertEqual([str(c) for c in question.choices.all()], ["Bus", "Bike"])


def closed():
    """A question whose time is over."""
    now = timezone.now()
    return ask(opens=now - timedelta(days=2), closes=now - timedelta(days=1))
