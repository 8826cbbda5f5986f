"""Notes, and the networks that tell where one was left."""

import ipaddress
import secrets

from django.db import models
from django.db.models import Q
from django.utils import timezone

# The endings that nginx may serve: none of them can carry a script.
PICTURES = {"GIF": "gif", "JPEG": "jpg", "PNG": "png", "WEBP": "webp"}


def picture_name(note, filename):
    """A name that tells nothing and can't be guessed; the ending is that of what it is."""
    image = getattr(note.picture.file, "image", None) if note.picture else None
    ending = PICTURES.get(getattr(image, "format", None), "bin")
    return f"pictures/{timezone.now():%Y/%m}/{secrets.token_urlsafe(12)}.{ending}"


class Note(models.Model):
    """What somebody left on the board."""

    text = models.CharField(max_length=500)
    name = models.CharField(max_length=60, blank=True)
    picture = models.ImageField(upload_to=picture_name, blank=True)
    place = models.CharField(max_length=60, blank=True, editable=False)
    left = models.DateTimeField(default=timezone.now, db_index=True, editable=False)

    class Meta:
        ordering = ["-left", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(text=""),
                name="note_has_text",
                violation_error_message="A note needs a text.",
            ),
        ]

    def __str__(self):
        return self.text[:60]


def sortable(address):
    """An address as 32 digits in base 16, in the order of the addresses; IPv4 as in RFC 4291,
    section 2.5.5.2. Any database can compare these."""
    address = ipaddress.ip_address(address)
    number = int(address)
    if address.version == 4:
        number |= 0xFFFF << 32
    return f"{number:032x}"


class NetworkQuerySet(models.QuerySet):
    """Ways to look networks up."""

    def holding(self, address):
        """The smallest network that an address is in, or None."""
        try:
            key = sortable(address)
        except ValueError:
            return None
        return self.filter(first__lte=key, last__gte=key).order_by("-first", "last").first()


class Network(models.Model):
    """A range of addresses, and what it is called. They come from a fixture."""

    first = models.CharField(max_length=32)
    last = models.CharField(max_length=32)
    place = models.CharField(max_length=60)

    objects = NetworkQuerySet.as_manager()

    class Meta:
        ordering = ["first", "-last"]
        constraints = [
            models.UniqueConstraint(fields=["first", "last"], name="network_once"),
            models.CheckConstraint(
                condition=Q(first__lte=models.F("last")), name="network_first_is_not_after_last"
            ),
        ]

    def __str__(self):
        return self.place
