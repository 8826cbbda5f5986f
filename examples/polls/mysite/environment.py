"""Settings out of environment variables.

Every function takes the environment as a mapping, so that tests need not touch the real
one. What is missing or malformed is an ImproperlyConfigured that names the variable: a
container that stops at once with that line is better than one that runs half configured.
"""

import json
import logging

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes"}
# Old tutorials name a backend that Django has since dropped in favour of "postgresql".
RENAMED_ENGINES = {"postgresql_psycopg2": "postgresql"}


def flag(env, name, default=False):
    """A switch. Only 1, true and yes switch it on; "False" is not truthy here."""
    value = env.get(name, "").strip().lower()
    return value in TRUE if value else default


def required(env, name):
    """A value without which there is no production."""
    value = env.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set, and DEBUG is off")
    return value


def words(env, name):
    """A list separated by commas or spaces."""
    return env.get(name, "").replace(",", " ").split()


def seconds(env, name, default):
    """A number of seconds."""
    value = env.get(name, "").strip()
    if not value:
        return default
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name} must be a whole number of seconds")
    return int(value)


def log_level(env, name):
    """A level's name in upper case."""
    level = env.get(name, "").strip().upper() or "INFO"
    if level not in logging.getLevelNamesMapping():
        raise ImproperlyConfigured(f"{name} must be a level such as info or warning")
    return level


def database(env, debug, base_dir):
    """The default database; SQLite beside the code only while debugging."""
    engine = env.get("DATABASE_ENGINE", "")
    if not engine and debug:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": base_dir / "db.sqlite3"}

    engine = required(env, "DATABASE_ENGINE")
    engine = RENAMED_ENGINES.get(engine, engine)
    if "." not in engine:
        engine = f"django.db.backends.{engine}"
    found = {"ENGINE": engine, "NAME": required(env, "DATABASE_NAME")}
    if engine == "django.db.backends.sqlite3":
        return found

    return found | {
        "USER": required(env, "DATABASE_USERNAME"),
        "PASSWORD": env.get("DATABASE_PASSWORD", ""),
        "HOST": required(env, "DATABASE_HOST"),
        "PORT": env.get("DATABASE_PORT", ""),
        "OPTIONS": database_options(env),
        # A connection is kept for a minute, and looked at before it is used again: the
        # database may have restarted in between.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


def database_options(env):
    """DATABASE_OPTIONS: a JSON object, {"sslmode": "require"}."""
    text = env.get("DATABASE_OPTIONS", "").strip() or "{}"
    try:
        options = json.loads(text)
    except json.JSONDecodeError as error:
        raise ImproperlyConfigured(f"DATABASE_OPTIONS is not JSON: {error}") from error
    if not isinstance(options, dict):
        raise ImproperlyConfigured('DATABASE_OPTIONS must be an object: {"sslmode": "require"}')
    return options


def staticfiles(env, debug):
    """Where static files go: object storage if a bucket is named, else this machine."""
    bucket = env.get("STATIC_BUCKET_NAME", "")
    if bucket:
        return {
            "BACKEND": "storages.backends.s3.S3StaticStorage",
            "OPTIONS": {
                "bucket_name": bucket,
                "endpoint_url": required(env, "STATIC_ENDPOINT_URL"),
                "access_key": required(env, "STATIC_ACCESS_KEY_ID"),
                "secret_key": required(env, "STATIC_SECRET_KEY"),
                "location": "static",
                "default_acl": "public-read",
                "object_parameters": {"CacheControl": "max-age=86400"},
            },
        }
    if debug:
        return {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    return {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
