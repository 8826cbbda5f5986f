"""What the database accepts, and where an address is."""

from django.db import IntegrityError
from django.test import SimpleTestCase, TestCase

from notes.models import Network, Note, sortable


class NoteTests(TestCase):
    def test_a_note_needs_a_text(self):
        with self.assertRaises(IntegrityError):
            Note.objects.create(text="")

    def test_the_newest_stands_first(self):
        for text in ("one", "two"):
            Note.objects.create(text=text)
        self.assertEqual([str(note) for note in Note.objects.all()], ["two", "one"])


class SortableTests(SimpleTestCase):
    def test_the_order_is_that_of_the_addresses(self):
        addresses = [
            "::1",
            "9.0.0.0",
            "10.0.0.0",
            "10.0.0.255",
            "10.0.1.0",
            "2001:db8::1",
            "fd00::",
        ]
        keys = [sortable(address) for address in addresses]
        self.assertEqual(keys, sorted(keys))
        self.assertEqual({len(key) for key in keys}, {32})


class NetworkTests(TestCase):
    fixtures = ["networks"]

    def place(self, address):
        network = Network.objects.holding(address)
        return network and network.place

    def test_the_smallest_network_gives_the_name(self):
        self.assertEqual(self.place("198.51.100.0"), "the second book of examples")
        self.assertEqual(self.place("198.51.100.255"), "the second book of examples")
        self.assertEqual(self.place("198.51.101.0"), "somewhere over IPv4")
        self.assertEqual(self.place("2001:db8::77"), "the long book of examples")
        self.assertEqual(self.place("2a00::1"), "somewhere")

    def test_what_is_no_address_is_nowhere(self):
        for text in ("", "unknown", "198.51.100.7, 10.0.0.1"):
            self.assertIsNone(self.place(text), text)

    def test_without_the_fixture_nothing_is_anywhere(self):
        Network.objects.all().delete()
        self.assertIsNone(self.place("198.51.100.7"))
