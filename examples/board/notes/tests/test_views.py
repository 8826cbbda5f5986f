"""The pages as a browser and a health probe see them."""

import tempfile
from io import BytesIO
from pathlib import Path
from unittest import mock

from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client, TestCase, override_settings
from PIL import Image

from notes import forms
from notes.models import Note


def picture(kind="PNG", name="me.png"):
    """A picture as a browser sends it."""
    content = BytesIO()
    Image.new("RGB", (4, 3), "teal").save(content, kind)
    return SimpleUploadedFile(name, content.getvalue())


class BoardTests(TestCase):
    fixtures = ["networks"]

    def setUp(self):
        media = tempfile.TemporaryDirectory()
        self.addCleanup(media.cleanup)
        self.media = Path(media.name)
        self.enterContext(override_settings(MEDIA_ROOT=media.name))

    def test_an_empty_board_says_so(self):
        self.assertContains(self.client.get("/"), "Nothing is pinned here")

    def test_a_note_that_is_left_is_read_back(self):
        response = self.client.post("/", {"text": "Bread is out", "name": "Ada"}, follow=True)
        self.assertEqual(response.redirect_chain, [("/", 302)])
        self.assertContains(response, "Bread is out")
        self.assertContains(response, "Ada")

    def test_whoever_left_one_need_not_give_the_name_again(self):
        self.client.post("/", {"text": "One", "name": "Ada"})
        self.assertContains(self.client.get("/"), 'value="Ada"')
        self.assertNotContains(Client().get("/"), 'value="Ada"')

    def test_markup_in_a_note_is_shown_and_not_run(self):
        self.client.post("/", {"text": "<script>alert(1)</script>"})
        self.assertNotContains(self.client.get("/"), "<script>")

    def test_a_note_without_text_is_not_taken(self):
        response = self.client.post("/", {"text": " "})
        self.assertContains(response, "required", status_code=400)
        self.assertEqual(Note.objects.count(), 0)

    def test_without_the_token_nothing_is_taken(self):
        response = Client(enforce_csrf_checks=True).post("/", {"text": "forged"})
        self.assertEqual(response.status_code, 403)
        self.assertEqual(Note.objects.count(), 0)

    def test_a_note_tells_where_it_was_left_by_what_the_proxy_says(self):
        headers = {"x-forwarded-for": "198.51.100.77"}
        self.client.post("/", {"text": "From afar"}, headers=headers)
        self.assertContains(self.client.get("/"), "the second book of examples")

    def test_a_picture_is_kept_under_a_name_of_our_own_and_shown(self):
        for kind, name, ending in (("PNG", "me.png", ".png"), ("JPEG", "../x.jpeg", ".jpg")):
            self.client.post("/", {"text": kind, "picture": picture(kind, name)})
            note = Note.objects.get(text=kind)
            self.assertRegex(note.picture.name, rf"^pictures/\d{{4}}/\d\d/[\w-]+\{ending}$")
            self.assertEqual((self.media / note.picture.name).stat().st_mode & 0o777, 0o644)
            self.assertContains(self.client.get("/"), f'src="/media/{note.picture.name}"')

    def test_a_picture_is_what_its_content_is(self):
        liars = [
            SimpleUploadedFile("me.png", b"<script>alert(1)</script>"),
            SimpleUploadedFile("me.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
            picture("PNG", "me.html"),
            picture("BMP", "me.bmp"),
        ]
        for liar in liars:
            response = self.client.post("/", {"text": "look", "picture": liar})
            self.assertEqual(response.status_code, 400, liar.name)
        self.assertEqual(list(self.media.iterdir()), [])

    def test_a_picture_can_be_too_large(self):
        with mock.patch.object(forms, "LIMIT", 10):
            response = self.client.post("/", {"text": "look", "picture": picture()})
        self.assertContains(response, "at most", status_code=400)

    def test_the_query_count_does_not_grow_with_the_notes(self):
        for number in range(10):
            Note.objects.create(text=f"Note {number}")
        with self.assertNumQueries(1):
            self.client.get("/")


class HitsTests(TestCase):
    def setUp(self):
        cache.clear()

    def test_every_visit_counts_and_looking_at_the_count_does_not(self):
        for _ in range(3):
            self.client.get("/")
        for _ in range(2):
            self.assertEqual(self.client.get("/hits/").json()["hits"], 3)
        self.assertContains(self.client.get("/"), "4 visits")

    def test_what_keeps_the_count_is_told(self):
        self.assertIn(self.client.get("/hits/").json()["kept_by"], ("LocMemCache", "RedisCache"))


class HealthTests(TestCase):
    def test_all_is_well(self):
        response = self.client.get("/health/")
        self.assertContains(response, "well")
        self.assertIn("no-store", response["Cache-Control"])

    def test_a_database_or_cache_that_fails_is_named_and_nothing_more(self):
        broken = [
            ("database", "Note.objects", {"exists.side_effect": OperationalError("secret")}),
            ("cache", "cache", {"set.side_effect": OSError("secret")}),
            ("cache", "cache", {"get.return_value": None}),
        ]
        for part, name, how in broken:
            with mock.patch(f"notes.views.{name}", **how), self.assertLogs("notes.views"):
                response = self.client.get("/health/")
            self.assertEqual(response.status_code, 503)
            self.assertEqual(response.content.decode(), f"{part}: not well\n")
