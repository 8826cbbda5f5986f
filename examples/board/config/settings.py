"""The site's settings. What differs between machines comes from the environment."""

import os
from pathlib import Path

from . import environment

ENV = os.environ
BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = environment.flag(ENV, "DEBUG")

if DEBUG:
    SECRET_KEY = ENV.get("DJANGO_SECRET_KEY") or "for-debugging-only"
    ALLOWED_HOSTS = environment.words(ENV, "DJANGO_ALLOWED_HOSTS") or ["localhost", "127.0.0.1"]
else:
    SECRET_KEY = environment.required(ENV, "DJANGO_SECRET_KEY")
    environment.required(ENV, "DJANGO_ALLOWED_HOSTS")
    ALLOWED_HOSTS = environment.words(ENV, "DJANGO_ALLOWED_HOSTS")

CSRF_TRUSTED_ORIGINS = environment.words(ENV, "DJANGO_CSRF_TRUSTED_ORIGINS")

# TLS ends at the proxy, which says so in a header it always sets itself. The app must not
# be reachable by anything else, or this header could be forged.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = environment.flag(ENV, "DJANGO_SECURE_SSL_REDIRECT", default=not DEBUG)
SESSION_COOKIE_SECURE = not DEBUG
CSRF_COOKIE_SECURE = not DEBUG
SECURE_HSTS_SECONDS = environment.seconds(
    ENV, "DJANGO_HSTS_SECONDS", default=0 if DEBUG else 63072000
)
# Both speak for names beyond this site's own, so they are the domain owner's to switch on;
# the two checks that would want them on by default are silenced for that reason.
SECURE_HSTS_INCLUDE_SUBDOMAINS = environment.flag(ENV, "DJANGO_HSTS_INCLUDE_SUBDOMAINS")
SECURE_HSTS_PRELOAD = environment.flag(ENV, "DJANGO_HSTS_PRELOAD")
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

INSTALLED_APPS = [
    "notes",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": environment.database(ENV, DEBUG, BASE_DIR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": environment.cache(ENV)}
SESSION_ENGINE = environment.session_engine(ENV)

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Both are directories that nginx reads and the app writes: static files when they are
# collected, pictures when somebody leaves one. While debugging, Django serves them.
STATIC_URL = "/static/"
STATIC_ROOT = Path(ENV.get("DJANGO_STATIC_ROOT") or BASE_DIR / "static")
MEDIA_URL = "/media/"
MEDIA_ROOT = Path(ENV.get("DJANGO_MEDIA_ROOT") or BASE_DIR / "media")
FILE_UPLOAD_PERMISSIONS = 0o644
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o755
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    # The names change with the content, so that a browser may keep what it has.
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage."
        + ("StaticFilesStorage" if DEBUG else "ManifestStaticFilesStorage")
    },
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

# To the container's log, and nowhere else.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["console"],
        "level": environment.log_level(ENV, "DJANGO_LOGLEVEL"),
    },
    # Django brings handlers of its own; without this every line would come twice.
    "loggers": {"django": {"handlers": [], "propagate": True}},
}
