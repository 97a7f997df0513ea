"""``[route …]``: which requests it means, and where they go."""

from __future__ import annotations

from dataclasses import dataclass

from twistedproxy.settings.answers import APP_KINDS, FixedAnswer, HostedApp, RedirectAnswer
from twistedproxy.settings.edits import RewriteRule
from twistedproxy.settings.knob import knob
from twistedproxy.settings.route_knobs import RouteKnobs


@dataclass(frozen=True)
class RouteMatch:
    """
    What a route is named by: ``[scheme://][host[:port]]/path``.

    A path that ends in ``/`` is a prefix, otherwise it is exact.  *host* is None for any host; ``*.example.com`` stands for
    every name below example.com, and an IPv6 address has its brackets.  The path's escapes are decoded, as in
    ``RequestHead.route_path`` (which is its UTF-8 form).  A *pattern* is a regular expression that is found in such paths; then
    *path* is empty.
    """

    scheme: str | None
    host: str | None
    port: int | None
    path: str
    pattern: str = ""
    ignores_case: bool = False

    @property
    def is_prefix(self) -> bool:
        """Whether everything below the path is meant."""
        return self.path.endswith("/")


@dataclass(frozen=True)
class RouteCondition:
    """
    One line of ``match``.

    :ivar subject: ``method``, ``header``, ``arg``, ``cookie``, ``client``, or ``value`` for a template
    :ivar name: of the field, argument or cookie; the template
    :ivar operator: ``=``, ``~`` for a regular expression, or empty: it is there at all
    :ivar values: what is compared with; methods; networks
    :ivar negated: the line holds where the rest of it does not
    """

    subject: str
    name: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()
    negated: bool = False

    def __str__(self) -> str:
        words = [self.name if self.subject == "value" else self.subject]
        if self.subject in ("header", "arg", "cookie"):
            words.append(self.name)
        if self.operator:
            words.append(f"{'!' if self.negated else ''}{self.operator}")
        elif self.negated:
            words.insert(0, "not")
        return " ".join([*words, *self.values])


@dataclass(frozen=True)
class SplitLine:
    """
    One line of ``split``: first the key, then the shares.

    :ivar key: a template; empty in lines with a share
    :ivar share: of the requests, in hundredths of a percent; -1 for ``*``, all the rest
    :ivar pool: that gets it
    """

    key: str = ""
    share: int = 0
    pool: str = ""


@dataclass(frozen=True)
class RouteSettings(RouteKnobs):
    """
    A route: which requests, and what becomes of them.

    It has exactly one of pool, split, redirect, respond, static and an app's kind; behind static there may be a pool or an app.

    :ivar name: what the route is called: its title, with its conditions
    :ivar title: what stands behind ``route`` between the brackets
    :ivar matches: what the title means, at least one
    """

    name: str = ""
    title: str = ""
    matches: tuple[RouteMatch, ...] = (RouteMatch(None, None, None, "/"),)
    match: tuple[RouteCondition, ...] = knob(
        "route_conditions",
        "what a request must be like, all of it, one a line: method NAME…, client NETWORK…, header, arg or cookie NAME, alone or "
        "with =, !=, ~ or !~ VALUE; {TEMPLATE} = VALUE; not before it",
        default=(),
    )
    listen: tuple[str, ...] = knob("listen_names", "only requests that came in by these listeners", default=())
    pool: str | None = knob("pool_name", "the [pool NAME] that serves this route")
    split: tuple[SplitLine, ...] = knob(
        "split",
        "a template, and below it SHARE% POOL, one a line, the last perhaps * POOL: who has the same key gets the same pool",
        default=(),
    )
    mirror: str | None = knob("pool_name", "the [pool NAME] that gets a copy of each request; what it answers is dropped")
    mirror_max_body: int = knob("size", "requests with larger bodies are not copied", default=64 * 1024, minimum=0)
    redirect: RedirectAnswer | None = knob("redirect", "STATUS LOCATION, for instance 301 https://{host}{uri}")
    respond: FixedAnswer | None = knob("respond", "STATUS TEXT: the route answers with this plain text, a template")
    python: str | None = knob("app_target", "package.module:function, a coroutine function that answers, in the proxy's process")
    wsgi: str | None = knob("app_target", "package.module:app, a WSGI app (PEP 3333), in threads of the proxy's process")
    asgi: str | None = knob("app_target", "package.module:app, an ASGI app, in a thread of the proxy's process")
    resource: str | None = knob("app_target", "package.module:thing, an IResource of twisted.web, or what returns one")
    static: str | None = knob(
        "directory",
        "a directory: the route answers with its files, by their paths below it; with a pool or an app besides, these are asked "
        "for what is no file",
    )
    try_files: tuple[str, ...] = knob(
        "try_files",
        "what of static is looked for, in order: {path}, {path}/ (a directory), {path}.html, /index.html, or at the end =404",
        default=(),
    )
    strip_prefix: str | None = knob("path_prefix", "taken off the front of the path before it goes to the peer")
    rewrite: tuple[RewriteRule, ...] = knob(
        "rewrites",
        "REGEX REPLACEMENT, one a line; the first that fits makes the path for the peer: \\1 for groups, and names of templates",
        default=(),
    )
    add_prefix: str | None = knob("path_prefix", "put before the path as it goes to the peer")

    @property
    def hosted(self) -> HostedApp | None:
        """The app in the proxy's own process that answers; None: there is no such."""
        for kind in APP_KINDS:
            target = getattr(self, kind)
            if target is not None:
                threads, queue = (self.app_threads, self.app_queue) if kind == "wsgi" else (0, 0)
                return HostedApp(kind, target, self.app_dir or "", threads, queue)
        return None
