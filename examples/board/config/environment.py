"""Settings out of environment variables.

Every function takes the environment as a mapping, so that tests need not touch the real
one. What is missing or malformed is an ImproperlyConfigured that names the variable: a
container that stops at once with that line is better than one that runs half configured.
"""

import logging

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes"}


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
    if engine == "sqlite3":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": required(env, "DATABASE_NAME")}
    if engine != "postgresql":
        raise ImproperlyConfigured("DATABASE_ENGINE must be postgresql or sqlite3")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": required(env, "DATABASE_NAME"),
        "USER": required(env, "DATABASE_USERNAME"),
        "PASSWORD": env.get("DATABASE_PASSWORD", ""),
        "HOST": required(env, "DATABASE_HOST"),
        "PORT": env.get("DATABASE_PORT", ""),
        # A connection is kept for a minute, and looked at before it is used again: the
        # database may have restarted in between.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


def cache(env):
    """The default cache: Redis where there is one, else each process has its own."""
    url = env.get("REDIS_URL", "").strip()
    if not url:
        return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    if not url.startswith(("redis://", "rediss://", "unix://")):
        # Without the value: there is a password in it.
        raise ImproperlyConfigured("REDIS_URL must begin with redis://, rediss:// or unix://")
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": url,
        "KEY_PREFIX": "board",
        # A Redis that has gone away is an error soon, and not a page that hangs.
        "OPTIONS": {"socket_connect_timeout": 3, "socket_timeout": 3},
    }


def session_engine(env):
    """Sessions are kept in the database; where there is Redis they are read from there."""
    kind = "cached_db" if env.get("REDIS_URL", "").strip() else "db"
    return f"django.contrib.sessions.backends.{kind}"
