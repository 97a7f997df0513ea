"""What sections say of who may in, and how often: what does not go together, and what is dangerous or without effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twistedproxy.config import files
from twistedproxy.config.problems import BadValue, Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.sections import Draft
from twistedproxy.forward.guards import passwords, tokens
from twistedproxy.settings.limits import LimitSettings
from twistedproxy.settings.route_knobs import RouteKnobs
from twistedproxy.settings.tokens import JWT_PAIRS, JWT_SHARED
from twistedproxy.templates import REQUEST_NAMES, Template

_LOCAL: Final = ("http://127.", "http://localhost", "http://[::1]")
_ONLY_WITH: Final = {
    "basic_auth": ("basic_auth_pass", "basic_auth_remember", "basic_auth_delay"),
    "jwt": (
        "jwt_algorithms",
        "jwt_issuer",
        "jwt_audience",
        "jwt_leeway",
        "jwt_expires",
        "jwt_from",
        "jwt_user",
        "jwt_headers",
        "jwt_pass",
        "jwt_refresh",
    ),
    "forward_auth": ("forward_auth_headers", "forward_auth_user", "forward_auth_timeout", "forward_auth_on_error"),
}
_ONLY_WITH_RATE: Final = ("burst", "delay", "announce")


def check(draft: Draft) -> Iterator[Problem]:
    """What is wrong."""
    for each in draft.built["limit"]:
        if not any(each.section.gives(key) for key in ("rate", "connections", "bandwidth")):
            yield each.section.problem("", "limits nothing", "add rate = 10r/s, connections = 4, or bandwidth = 1m/s")
    for each in (*draft.built["defaults"], *draft.built["route"]):
        if each.value is not None:
            yield from _keys(each.section, each.value)
    for each in draft.built["status"]:
        if each.value is not None and each.value.protect == "everything" and each.value.users is None:
            yield each.section.problem("protect", "everything: nobody could log in", "add users = FILE, as htpasswd -B makes it")


def _keys(section: Section, route: RouteKnobs) -> Iterator[Problem]:
    """A file of keys, and algorithms, must go together."""
    algorithms = route.jwt_algorithms or JWT_PAIRS
    if route.jwt is None or not (section.gives("jwt") or section.gives("jwt_algorithms")):
        return
    if any(each in JWT_SHARED for each in algorithms):
        if any(each in JWT_PAIRS for each in algorithms):
            yield section.problem(
                "jwt_algorithms",
                "shared secrets and key pairs stand together",
                "name algorithms of one kind: a public key is no secret",
            )
            return
        if is_url(route.jwt):
            yield section.problem("jwt_algorithms", "a shared secret is not published at a URL", "name a file")
            return
    if not is_url(route.jwt):
        try:
            tokens.read_keys(files.contents(route.jwt), algorithms)
        except (tokens.BadKeys, BadValue) as bad:
            yield section.problem("jwt", f"{route.jwt} cannot be used: {bad}", "see jwt_algorithms")


def is_url(text: str) -> bool:
    """Whether what ``jwt`` names is fetched."""
    return text.startswith(("http://", "https://"))


def of_limit(section: Section, limit: LimitSettings) -> Iterator[Problem]:
    """The warnings about a [limit]."""
    if limit.rate is None:
        for key in _ONLY_WITH_RATE:
            if section.gives(key):
                yield section.problem(key, "has no effect without rate", "add for instance rate = 10r/s, or remove the line")
    elif limit.delay and not limit.burst:
        yield section.problem("delay", "has no effect: burst is 0, so that nobody may wait", "add for instance burst = 20")
    names = Template.parse(limit.key, REQUEST_NAMES).names
    if limit.ipv6_prefix == 128 and "client" in names:
        yield section.problem(
            "ipv6_prefix", "128: whoever has an IPv6 network has as many addresses as he likes", "leave it at 64"
        )
    if names and all(name.startswith(("header.", "cookie.", "arg.")) for name in names):
        yield section.problem(
            "key", "is the client's own word: whoever changes it is counted anew", "put {client} or {user} in it"
        )


def of_route(section: Section, route: RouteKnobs) -> Iterator[Problem]:
    """The warnings about a [route] or [defaults]."""
    if section.gives("allow") and "all" in route.allow and not route.deny:
        yield section.problem("allow", "all: everybody may in", "remove the line, or name those who may")
    if section.gives("deny") and "all" in route.deny and not route.allow:
        yield section.problem("deny", "all: nobody may in", "name by allow those who may")
    if section.gives("bandwidth_after") and route.bandwidth is None:
        yield section.problem("bandwidth_after", "has no effect without bandwidth", "add bandwidth, or remove the line")
    for key in ("filters_timeout", "filters_on_error") if not route.filters else ():
        if section.kind == "route" and section.gives(key):
            yield section.problem(key, "has no effect without filters", "add filters, or remove the line")
    for needed, keys in _ONLY_WITH.items():
        for key in keys if getattr(route, needed) is None else ():
            if section.kind == "route" and section.gives(key):
                yield section.problem(key, f"has no effect without {needed}", f"add {needed}, or remove the line")
    yield from _credentials(section, route)


def _credentials(section: Section, route: RouteKnobs) -> Iterator[Problem]:
    checked = [key for key in ("basic_auth", "jwt", "forward_auth") if getattr(route, key) is not None]
    if section.gives("satisfy") and route.satisfy == "any" and len(checked) + bool(route.allow or route.deny) < 2:
        yield section.problem("satisfy", "has no effect: there is nothing to choose from", "remove the line")
    if route.satisfy == "any" and checked and route.deny and not route.allow:
        yield section.problem(
            "satisfy", "any: whoever is not denied need not say who he is", "name by allow whose address is enough"
        )
    if section.gives("basic_auth") and route.basic_auth is not None:
        yield from weak_passwords(section, "basic_auth", route.basic_auth)
    if section.gives("jwt") and route.jwt is not None and not (route.jwt_issuer or route.jwt_audience) and is_url(route.jwt):
        yield section.problem(
            "jwt",
            "tokens that the issuer gave for other sites count, too",
            "name yours by jwt_audience, and the issuer by jwt_issuer",
        )
    for key in ("jwt", "forward_auth"):
        source = getattr(route, key)
        if section.gives(key) and source is not None and source.startswith("http://") and not source.startswith(_LOCAL):
            yield section.problem(
                key, f"{source} is asked without TLS: whoever is in between decides who may in", "write https://"
            )
    if section.gives("forward_auth_on_error") and route.forward_auth_on_error == "open":
        yield section.problem("forward_auth_on_error", "open: when the server fails everybody may in", "write closed")


def weak_passwords(section: Section, key: str, file: str) -> Iterator[Problem]:
    """The warning about a file of passwords that are quickly guessed by whoever gets hold of it."""
    users, _ = passwords.parse(files.contents(file))
    weak = sum(passwords.form_of(stored) in passwords.WEAK for stored in users.values())
    if weak:
        yield section.problem(key, f"{file}: {weak} passwords are hashed weakly", "hash them anew with htpasswd -B")
