"""Settings from the environment: as functions, and by starting Django for real."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.test import SimpleTestCase

from mysite import environment

HERE = Path(__file__).resolve().parents[2]

POSTGRES = {
    "DATABASE_ENGINE": "postgresql_psycopg2",
    "DATABASE_NAME": "polls",
    "DATABASE_USERNAME": "sammy",
    "DATABASE_PASSWORD": 'it\'s $HOME "quoted"',
    "DATABASE_HOST": "db.example",
    "DATABASE_PORT": "25060",
    "DATABASE_OPTIONS": '{"sslmode": "require"}',
}

BUCKET = {
    "STATIC_BUCKET_NAME": "files",
    "STATIC_ENDPOINT_URL": "https://objects.example",
    "STATIC_ACCESS_KEY_ID": "id",
    "STATIC_SECRET_KEY": "key",
}


class FlagTests(SimpleTestCase):
    def test_only_three_words_switch_a_flag_on(self):
        for value in ("1", "true", "True", "YES", " yes "):
            self.assertTrue(environment.flag({"DEBUG": value}, "DEBUG"), value)
        for value in ("0", "False", "false", "no", "off", "2", "debug"):
            self.assertFalse(environment.flag({"DEBUG": value}, "DEBUG", default=True), value)

    def test_an_empty_or_missing_flag_has_its_default(self):
        for env in ({}, {"F": ""}):
            self.assertTrue(environment.flag(env, "F", default=True))
            self.assertFalse(environment.flag(env, "F"))


class ListTests(SimpleTestCase):
    def test_commas_and_spaces_both_part_words(self):
        self.assertEqual(
            environment.words({"H": "a.example, b.example c"}, "H"), ["a.example", "b.example", "c"]
        )
        self.assertEqual(environment.words({}, "H"), [])


class LogLevelTests(SimpleTestCase):
    def test_a_level_is_taken_in_any_case(self):
        self.assertEqual(environment.log_level({"L": "warning"}, "L"), "WARNING")
        self.assertEqual(environment.log_level({"L": ""}, "L"), "INFO")

    def test_an_unknown_level_names_the_variable(self):
        with self.assertRaisesMessage(ImproperlyConfigured, "L must be a level"):
            environment.log_level({"L": "loud"}, "L")


class DatabaseTests(SimpleTestCase):
    def test_debugging_falls_back_to_sqlite(self):
        found = environment.database({}, True, Path("/code"))
        self.assertEqual(found["NAME"], Path("/code/db.sqlite3"))

    def test_production_does_not(self):
        with self.assertRaisesMessage(ImproperlyConfigured, "DATABASE_ENGINE"):
            environment.database({}, False, Path("/code"))

    def test_every_variable_arrives_unchanged(self):
        found = environment.database(POSTGRES, False, Path("/code"))
        self.assertEqual(found["ENGINE"], "django.db.backends.postgresql")
        self.assertEqual(found["NAME"], "polls")
        self.assertEqual(found["USER"], "sammy")
        self.assertEqual(found["PASSWORD"], 'it\'s $HOME "quoted"')
        self.assertEqual(found["HOST"], "db.example")
        self.assertEqual(found["PORT"], "25060")
        self.assertEqual(found["OPTIONS"], {"sslmode": "require"})

    def test_what_is_missing_is_named(self):
        for name in ("DATABASE_NAME", "DATABASE_USERNAME", "DATABASE_HOST"):
            with self.assertRaisesMessage(ImproperlyConfigured, name):
                environment.database(POSTGRES | {name: ""}, False, Path("/code"))

    def test_options_must_be_a_json_object(self):
        for text in ("sslmode=require", "[1]", '"x"'):
            with self.assertRaisesMessage(ImproperlyConfigured, "DATABASE_OPTIONS"):
                environment.database_options({"DATABASE_OPTIONS": text})


class StaticfilesTests(SimpleTestCase):
    def test_without_a_bucket_the_app_serves_files_with_hashed_names(self):
        backend = environment.staticfiles({}, False)["BACKEND"]
        self.assertEqual(backend, "whitenoise.storage.CompressedManifestStaticFilesStorage")

    def test_a_bucket_switches_to_object_storage(self):
        options = environment.staticfiles(BUCKET, False)["OPTIONS"]
        self.assertEqual(options["bucket_name"], "files")
        self.assertEqual(options["endpoint_url"], "https://objects.example")
        self.assertEqual((options["access_key"], options["secret_key"]), ("id", "key"))

    def test_a_bucket_without_its_key_is_refused(self):
        with self.assertRaisesMessage(ImproperlyConfigured, "STATIC_SECRET_KEY"):
            environment.staticfiles(BUCKET | {"STATIC_SECRET_KEY": ""}, False)


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
            "DJANGO_ALLOWED_HOSTS": "polls.example",
            "DATABASE_ENGINE": "sqlite3",
            "DATABASE_NAME": str(Path(scratch.name, "db.sqlite3")),
            "DJANGO_STATIC_ROOT": str(Path(scratch.name, "static")),
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

    def assertSucceeds(self, done):
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_deployment_check_has_nothing_to_say(self):
        self.assertSucceeds(self.manage("check", "--deploy", "--fail-level", "WARNING"))

    def test_the_deployment_check_would_say_so(self):
        done = self.manage(
            "check", "--deploy", "--fail-level", "WARNING", DJANGO_SECURE_SSL_REDIRECT="no"
        )
        self.assertIn("security.W008", done.stderr)
        self.assertNotEqual(done.returncode, 0)

    def test_models_and_migrations_agree(self):
        self.assertSucceeds(self.manage("makemigrations", "--check", "--dry-run"))

    def test_without_a_key_hosts_or_database_it_does_not_start(self):
        for name in ("DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS", "DATABASE_ENGINE"):
            done = self.manage("check", **{name: ""})
            self.assertNotEqual(done.returncode, 0, name)
            self.assertIn(f"{name} is not set", done.stderr)

    def test_a_fresh_site_answers_a_probe_as_the_proxy_would_send_it(self):
        self.assertSucceeds(self.manage("collectstatic", "--noinput"))
        self.assertSucceeds(self.manage("migrate", "--noinput"))
        done = self.manage("shell", "-c", PROBE, SERVER_NAME_LABEL="app1")
        self.assertSucceeds(done)
        lines = done.stdout.splitlines()[-5:]
        self.assertEqual(lines[0], "301 https://polls.example/polls/")
        self.assertEqual(lines[1], "400")
        self.assertEqual(lines[2], "200 app1")
        self.assertRegex(lines[3], r"^/static/polls/polls\.[0-9a-f]+\.css$")
        self.assertEqual(lines[4], "200 text/css")

    def test_a_superuser_is_made_without_questions(self):
        self.assertSucceeds(self.manage("migrate", "--noinput"))
        named = {
            "DJANGO_SUPERUSER_USERNAME": "sammy",
            "DJANGO_SUPERUSER_EMAIL": "sammy@polls.example",
            "DJANGO_SUPERUSER_PASSWORD": "a long enough pass phrase",
        }
        self.assertSucceeds(self.manage("createsuperuser", "--noinput", **named))
        self.assertNotEqual(self.manage("createsuperuser", "--noinput", **named).returncode, 0)


PROBE = """
import re
from django.test import Client
client = Client()
r = client.get("/polls/", headers={"host": "polls.example"})
print(r.status_code, r["Location"])
https = {"x-forwarded-proto": "https"}
print(client.get("/polls/", headers=https | {"host": "stranger.example"}).status_code)
r = client.get("/polls/", headers=https | {"host": "polls.example"})
print(r.status_code, r["X-Served-By"])
href = re.search('href="(/static/[^"]+)"', r.content.decode())[1]
print(href)
r = client.get(href, headers=https | {"host": "polls.example"})
print(r.status_code, r["Content-Type"].split(";")[0])
"""
