"""The board, what it counts, and whether it is well."""

import logging
import secrets

from django.conf import settings
from django.core.cache import cache
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from .forms import NoteForm
from .models import Network, Note

LOG = logging.getLogger(__name__)
SHOWN = 50
HITS = "hits"


def count():
    """One more visit; how many there are now."""
    cache.add(HITS, 0, timeout=None)
    return cache.incr(HITS)


def visitor(request):
    """The visitor's address. The proxy writes the header anew, so it holds one address."""
    return request.headers.get("X-Forwarded-For") or request.META.get("REMOTE_ADDR", "")


@require_http_methods(["GET", "HEAD", "POST"])
def board(request):
    """The newest notes, and a form for the next one. A note leads back here by a redirect, so
    that a reload doesn't leave it twice."""
    name = request.session.get("name", "")
    form = NoteForm(request.POST or None, request.FILES or None, initial={"name": name})
    if request.method == "POST" and form.is_valid():
        note = form.save(commit=False)
        network = Network.objects.holding(visitor(request))
        note.place = network.place if network else ""
        note.save()
        request.session["name"] = note.name
        LOG.info("note %s was left", note.pk)
        return redirect("board")
    context = {"form": form, "notes": Note.objects.all()[:SHOWN], "hits": count()}
    return render(request, "notes/board.html", context, status=400 if form.is_bound else 200)


@require_safe
@never_cache
def hits(request):
    """How many visits were counted, and what keeps the count."""
    kept_by = settings.CACHES["default"]["BACKEND"].rpartition(".")[2]
    return JsonResponse({"hits": cache.get(HITS, 0), "kept_by": kept_by})


@require_safe
@never_cache
def health(request):
    """200 when the database and the cache do what they are for. What is wrong stands in the
    log; a stranger learns only which of the two it is."""
    for part, works in (("database", database_works), ("cache", cache_works)):
        try:
            well = works()
        except Exception:
            LOG.exception("the %s fails", part)
            well = False
        if not well:
            LOG.error("the %s is not well", part)
            return HttpResponse(f"{part}: not well\n", status=503, content_type="text/plain")
    return HttpResponse("well\n", content_type="text/plain")


def database_works():
    """Asks for notes, which needs the tables and not only a connection."""
    Note.objects.exists()
    return True


def cache_works():
    """Keeps a value for a moment."""
    key = f"health-{secrets.token_hex(4)}"
    cache.set(key, key, timeout=10)
    found = cache.get(key)
    cache.delete(key)
    return found == key
