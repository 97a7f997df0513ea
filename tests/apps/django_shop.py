"""A small shop by Django, in one module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path, reverse

if not settings.configured:
    settings.configure(
        SECRET_KEY="a secret of plays",
        ALLOWED_HOSTS=["example.com"],
        ROOT_URLCONF=__name__,
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        LOGGING_CONFIG=None,
    )


def front(request: HttpRequest) -> HttpResponse:
    """Where everything begins."""
    response = HttpResponse(request.build_absolute_uri(reverse("form")))
    response.set_cookie("seen", "yes")
    return response


def form(request: HttpRequest) -> HttpResponse:
    """Take a form."""
    return JsonResponse({**request.POST.dict(), "client": request.META["REMOTE_ADDR"]})


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """In pieces."""

    def pieces() -> Iterator[bytes]:
        yield b"one "
        yield b"two"

    return StreamingHttpResponse(pieces(), content_type="text/plain")


urlpatterns: list[Any] = [path("", front), path("form", form, name="form"), path("stream", stream)]

app = get_wsgi_application()
