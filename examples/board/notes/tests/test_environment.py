"""Settings from the environment: as functions, and by starting Django for real."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.test import SimpleTestCase

from config import environment

HERE = Path(__file__).resolve().parents[2]

POSTGRES = {
    "DATABASE_ENGINE": "postgresql",
    "DATABASE_NAME": "board",
    "DATABASE_USERNAME": "keeper",
    "DATABASE_PASSWORD": 'it\'s $HOME "quoted"',
    "DATABASE_HOST": "postgres",
    "DATABASE_PORT": "5432",
}


class FlagTests(SimpleTestCase):
    def test_only_three_words_switch_a_flag_on(self):
        for value in ("1", "true", "True", "YES", " yes "):
            self.assertTrue(environment.flag({"F": value}, "F"), value)
        for value in ("0", "False", "false", "no", "off", "2", "debug"):
            self.assertFalse(environment.flag({"F": value}, "F", default=True), value)


class DatabaseTests(SimpleTestCase):
    def test_debugging_falls_back_to_sqlite_and_production_does_not(self):
        found = environment.database({}, True, Path("/code"))
        self.assertEqual(found["NAME"], Path("/code/db.sqlite3"))
        with self.assertRaisesMessage(ImproperlyConfigured, "DATABASE_ENGINE"):
            environment.database({}, False, Path("/code"))

    def test_every_variable_arrives_unchanged(self):
        found = environment.database(POSTGRES, False, Path("/code"))
        self.assertEqual(found["ENGINE"], "django.db.backends.postgresql")
        self.assertEqual((found["NAME"], found["USER"]), ("board", "keeper"))
        self.assertEqual(found["PASSWORD"], 'it\'s $HOME "quoted"')
        self.assertEqual((found["HOST"], found["PORT"]), ("postgres", "5432"))

    def test_what_is_missing_or_unknown_is_named(self):
        for name in ("DATABASE_NAME", "DATABASE_USERNAME", "DATABASE_HOST"):
            with self.assertRaisesMessage(ImproperlyConfigured, name):
                environment.database(POSTGRES | {name: ""}, False, Path("/code"))
        with self.assertRaisesMessage(ImproperlyConfigured, "DATABASE_ENGINE"):
            environment.database(POSTGRES | {"DATABASE_ENGINE": "oracle"}, False, Path("/code"))


class CacheTests(SimpleTestCase):
    URL = "redis://:p%40ss@redis:6379/0"

    def test_redis_keeps_what_it_is_named_for(self):
        found = environment.cache({"REDIS_URL": self.URL})
        self.assertEqual(found["BACKEND"], "django.core.cache.backends.redis.RedisCache")
        self.assertEqual(found["LOCATION"], self.URL)
        self.assertTrue(environment.session_engine({"REDIS_URL": self.URL}).endswith("cached_db"))

    def test_without_it_sessions_are_the_database_s_alone(self):
        self.assertTrue(environment.cache({})["BACKEND"].endswith("LocMemCache"))
        self.assertTrue(environment.session_engine({"REDIS_URL": ""}).endswith(".db"))

    def test_what_is_no_address_of_redis_is_refused_without_being_shown(self):
        with self.assertRaisesMessage(ImproperlyConfigured, "REDIS_URL") as raised:
            environment.cache({"REDIS_URL": "http://:hush@redis"})
        self.assertNotIn("hush", str(raised.exception))


class ProductionTests(SimpleTestCase):
    """Django in a process of its own, with nothing but what production would set."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.env = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DEBUG": "False",
            "DJANGO_SECRET_KEY": "test-only-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGH",
            "DJANGO_ALLOWED_HOSTS": "board.example",
            "DATABASE_ENGINE": "sqlite3",
            "DATABASE_NAME": str(Path(scratch.name, "db.sqlite3")),
            "DJANGO_STATIC_ROOT": str(Path(scratch.name, "static")),
            "DJANGO_MEDIA_ROOT": str(Path(scratch.name, "media")),
        }

    def manage(self, *args, **extra):
        return subprocess.run(
            [sys.executable, "manage.py", *args],
            cwd=HERE,
            env=self.env | extra,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def succeeds(self, *args, **extra):
        done = self.manage(*args, **extra)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_the_deployment_check_has_nothing_to_say(self):
        self.succeeds("check", "--deploy", "--fail-level", "WARNING")

    def test_the_deployment_check_would_say_so(self):
        switched_off = {"DJANGO_SECURE_SSL_REDIRECT": "no"}
        done = self.manage("check", "--deploy", "--fail-level", "WARNING", **switched_off)
        self.assertIn("security.W008", done.stderr)
        self.assertNotEqual(done.returncode, 0)

    def test_models_and_migrations_agree(self):
        self.succeeds("makemigrations", "--check", "--dry-run")

    def test_without_a_key_hosts_or_database_it_does_not_start(self):
        for name in ("DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS", "DATABASE_ENGINE"):
            done = self.manage("check", **{name: ""})
            self.assertNotEqual(done.returncode, 0, name)
            self.assertIn(f"{name} is not set", done.stderr)

    def test_a_fresh_site_answers_a_probe_as_the_proxy_would_send_it(self):
        self.succeeds("collectstatic", "--noinput")
        self.succeeds("migrate", "--noinput")
        lines = self.succeeds("shell", "-c", PROBE).splitlines()[-4:]
        self.assertEqual(lines[0], "301 https://board.example/health/")
        self.assertEqual(lines[1], "400")
        self.assertEqual(lines[2], "200 well")
        style = re.fullmatch(r"/static/(notes/board\.[0-9a-f]+\.css)", lines[3])
        self.assertTrue(Path(self.env["DJANGO_STATIC_ROOT"], style[1]).is_file())


PROBE = """
import re
from django.test import Client
client = Client()
r = client.get("/health/", headers={"host": "board.example"})
print(r.status_code, r["Location"])
https = {"x-forwarded-proto": "https"}
print(client.get("/health/", headers=https | {"host": "stranger.example"}).status_code)
r = client.get("/health/", headers=https | {"host": "board.example"})
print(r.status_code, r.content.decode().strip())
r = client.get("/", headers=https | {"host": "board.example"})
print(re.search('href="(/static/[^"]+)"', r.content.decode())[1])
"""
