"""`manage.py fill 10000`: as many notes to try things with, the same ones every time."""

from datetime import UTC, datetime, timedelta

from django.core.management.base import BaseCommand, CommandError

from notes.models import Note

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ["Ada", "Émile", "Юрий", "李", "", "O'Brien", 'the "other" one', "back\\slash"]


class Command(BaseCommand):
    """Adds notes to those that are there."""

    help = "Adds this many notes to the board."

    def add_arguments(self, parser):
        parser.add_argument("count", type=int)

    def handle(self, *args, count, **options):
        if count < 1:
            raise CommandError("how many notes? At least 1")
        Note.objects.bulk_create((note(number) for number in range(count)), batch_size=1000)
        self.stdout.write(f"{count} notes added, {Note.objects.count()} in all")


def note(number):
    """The note of a number."""
    return Note(
        text=f"Note {number}: {'lorem ipsum ' * (number % 7)}\t– ende\n$HOME %s",
        name=NAMES[number % len(NAMES)],
        left=START + timedelta(seconds=number, microseconds=number * 7919 % 1000000),
    )
