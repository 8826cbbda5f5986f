"""`manage.py checksum`: one line that is the same exactly when the board is."""

import hashlib
import json

from django.core.management.base import BaseCommand

from notes.models import Network, Note


class Command(BaseCommand):
    """Reads all rows in their order, and the pictures that they name."""

    help = "Prints the number of notes and networks, and a digest of them and of all pictures."

    def handle(self, *args, **options):
        digest = hashlib.sha256()
        counts = []
        for model in (Note, Network):
            fields = [field.attname for field in model._meta.concrete_fields]
            count = 0
            for row in model.objects.order_by("pk").values_list(*fields).iterator(1000):
                digest.update(json.dumps(row, default=str).encode() + b"\n")
                count += 1
            counts.append(f"{count} {model._meta.verbose_name_plural}")
        pictures = 0
        for note in Note.objects.exclude(picture="").order_by("pk").iterator(1000):
            digest.update(picture_digest(note.picture))
            pictures += 1
        counts.append(f"{pictures} pictures")
        self.stdout.write(f"{', '.join(counts)}: {digest.hexdigest()}")


def picture_digest(picture):
    """The digest of a picture's content; a picture that is gone has none."""
    try:
        with picture.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except FileNotFoundError:
        return b"missing"
