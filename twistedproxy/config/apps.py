"""Apps in the proxy's own process: what a route says of them, and whether they are there."""

from __future__ import annotations

import os
from collections.abc import Iterator

from twistedproxy.apps.loading import TARGET, CannotLoad, named
from twistedproxy.config.files import path
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.scalars import Context
from twistedproxy.settings.answers import APP_KINDS
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.settings.routes import RouteSettings

#: Keys that say how peers are reached, or that several of them are there.
_ONLY_WITH_PEERS = ("connect_timeout", "hedge", "tries", "retry", "retry_timeout", "retry_unsafe", "websocket_resume")


def app_target(text: str, at: Context) -> str:
    """``package.module:attribute``, with ``()`` behind it where that is to be called."""
    if not TARGET.fullmatch(text):
        raise BadValue(f"{text!r} is not the name of an app", "write package.module:app, or package.module:make_app()")
    return text


def app_dir(text: str, at: Context) -> str:
    """A directory, made absolute from that of the file that says it."""
    name = path(text, at)
    if not os.path.isdir(name):
        raise BadValue(f"there is no directory {name}", "correct the path")
    return name


def errors(section: Section, route: RouteSettings) -> Iterator[Problem]:
    """What keeps the app of a route from being had."""
    app = route.hosted
    if app is None:
        return
    try:
        named(app)
    except CannotLoad as problem:
        yield section.problem(app.kind, str(problem), problem.remedy)
    if route.hedge is not None and section.gives("hedge"):
        yield section.problem("hedge", "there is one app, and no second peer", "remove the line")


def warnings(section: Section, route: RouteKnobs) -> Iterator[Problem]:
    """Lines without effect."""
    if not isinstance(route, RouteSettings):
        return
    app = route.hosted
    if app is None:
        for key in ("app_dir", "app_threads", "app_queue"):
            if section.gives(key):
                yield section.problem(key, f"has no effect without {', '.join(APP_KINDS[:-1])} or resource", "remove the line")
        return
    if app.kind != "wsgi":
        for key in ("app_threads", "app_queue"):
            if section.gives(key):
                yield section.problem(key, "has no effect without wsgi: only WSGI apps run in threads", "remove the line")
    for key in _ONLY_WITH_PEERS:
        if section.gives(key):
            yield section.problem(key, f"has no effect with {app.kind}: there is one app, in this process", "remove the line")
