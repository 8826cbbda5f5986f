"""Addresses of the board."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.board, name="board"),
    path("hits/", views.hits, name="hits"),
    path("health/", views.health, name="health"),
]
