"""The pages: all questions, one question, its results, and the vote itself."""

from django.core.exceptions import ValidationError
from django.db.models import Sum
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from .models import Question

SHOWN = 50

STATUS = {"closed": 409, "choice": 400}


@require_safe
def index(request):
    """The newest questions. Also what health probes ask for: it needs the database."""
    return render(request, "polls/index.html", {"questions": Question.objects.visible()[:SHOWN]})


@require_safe
def detail(request, pk):
    """One question with its choices as a form."""
    question = get_object_or_404(Question.objects.visible(), pk=pk)
    return render(request, "polls/detail.html", {"question": question})


@require_safe
def results(request, pk):
    """How the votes stand."""
    question = get_object_or_404(Question.objects.visible(), pk=pk)
    total = question.choices.aggregate(total=Sum("votes"))["total"] or 0
    context = {"question": question, "choices": question.choices.order_by("-votes", "pk")}
    return render(request, "polls/results.html", context | {"total": total})


@require_POST
def vote(request, pk):
    """Counts a vote, then leads on to the results so that a reload doesn't vote again."""
    question = get_object_or_404(Question.objects.visible(), pk=pk)
    try:
        question.vote(request.POST.get("choice"))
    except ValidationError as error:
        context = {"question": question, "error": error.message}
        return render(request, "polls/detail.html", context, status=STATUS[error.code])
    return redirect("polls:results", pk=question.pk)
