"""Filling the board, and telling two boards apart."""

import tempfile
from io import StringIO
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.test import TestCase, override_settings

from notes.models import Note


def checksum():
    """What `manage.py checksum` prints."""
    out = StringIO()
    call_command("checksum", stdout=out)
    return out.getvalue()


class FillTests(TestCase):
    def test_as_many_as_asked_for_and_more_the_next_time(self):
        call_command("fill", "1500", stdout=StringIO())
        self.assertEqual(Note.objects.count(), 1500)
        call_command("fill", "1", stdout=StringIO())
        self.assertEqual(Note.objects.count(), 1501)

    def test_none_at_all_is_no_filling(self):
        with self.assertRaises(CommandError):
            call_command("fill", "0")


class ChecksumTests(TestCase):
    fixtures = ["networks"]

    def setUp(self):
        media = tempfile.TemporaryDirectory()
        self.addCleanup(media.cleanup)
        self.media = Path(media.name)
        self.enterContext(override_settings(MEDIA_ROOT=media.name))

    def test_it_counts_and_stays_the_same_while_nothing_changes(self):
        call_command("fill", "30", stdout=StringIO())
        said = checksum()
        self.assertRegex(said, r"^30 notes, 12 networks, 0 pictures: [0-9a-f]{64}\n$")
        self.assertEqual(checksum(), said)

    def test_any_column_of_any_row_counts(self):
        call_command("fill", "3", stdout=StringIO())
        seen = {checksum()}
        note = Note.objects.order_by("pk")[1]
        for change in ({"text": "other"}, {"name": "other"}, {"left": "2026-02-03T04:05:06Z"}):
            Note.objects.filter(pk=note.pk).update(**change)
            seen.add(checksum())
        note.delete()
        seen.add(checksum())
        self.assertEqual(len(seen), 5)

    def test_a_picture_counts_by_its_content(self):
        note = Note.objects.create(text="with a picture")
        note.picture.save("a.png", ContentFile(b"one"))
        seen = {checksum()}
        for content in (b"two", None):
            path = self.media / note.picture.name
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content)
            seen.add(checksum())
        self.assertEqual(len(seen), 3)
