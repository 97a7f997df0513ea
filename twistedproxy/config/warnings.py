"""What is legal and still dangerous, without effect, or at odds with another setting: told, and the site runs."""

from __future__ import annotations

import datetime
import ipaddress
import os
import re
import stat
from collections.abc import Iterator, Sequence
from typing import Final

from twistedproxy.addresses import UNIX_CLIENTS, Tcp
from twistedproxy.config import (
    apps,
    balancing,
    cache_leaks,
    checks,
    doors,
    failures,
    files,
    guards,
    http2,
    logs,
    pages,
    patience,
    rewriting,
    routing,
    shared_caches,
    static,
    tls,
    tracing,
    websockets,
)
from twistedproxy.config.problems import Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.scalars import write_size
from twistedproxy.config.sections import Built, Draft
from twistedproxy.settings.caches import CacheSettings
from twistedproxy.settings.pools import PoolSettings
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.settings.tls import CertificateFiles
from twistedproxy.tls import expiry

_DOLLAR_NAME: Final = re.compile(r"\$([a-z_]+)")
_ONLY_WITH_TLS: Final = ("verify", "ca", "server_name", "client_certificate")
_ONLY_WITH_POOL: Final = (
    "connect_timeout",
    "send_timeout",
    "read_timeout",
    "buffering",
    "request_buffering",
    "host",
    "forwarded",
    "websocket",
    "websocket_idle_timeout",
    "tries",
    "retry",
    "retry_timeout",
    "retry_unsafe",
    "hedge",
    "intercept_errors",
    "request_headers",
    "traceparent",
    "rewrite_location",
    "cookie_domain",
    "cookie_path",
    "cookie_flags",
    "strip_prefix",
    "add_prefix",
    "rewrite",
)
#: Of those, what has a meaning for files, too.
_OF_PATHS: Final = frozenset(("strip_prefix", "add_prefix", "rewrite"))
_ONLY_WITH_CACHE: Final = (
    "cache_valid",
    "cache_use_stale",
    "cache_heuristic",
    "cache_key",
    "cache_methods",
    "cache_ignore",
    "cache_bypass",
    "cache_skip",
    "cache_min_uses",
    "cache_background_update",
    "cache_lock",
    "cache_lock_timeout",
    "cache_status_key",
    "cache_purge",
)


#: The keys that name a section, where they are not called like its kind.
_NAMED_BY: Final = {"limit": "limits"}


def of(draft: Draft) -> list[Problem]:
    """The warnings about a *draft* that has no errors."""
    found: list[Problem] = []
    has_pages = any(each.error_page for each in (*draft.values("listen"), *draft.values("site")))
    for each in draft.built["listen"]:
        found += _listener(each)
    for each in (*draft.built["listen"], *draft.built["stream"]):
        found += _door(each)
    found += doors.warnings(draft)
    for each in draft.built["tls"]:
        found += _certificates(each.section, "certificates", each.value.certificates)
        found += tls.warnings(each.section, each.value, draft.values("listen"))
    for each in draft.built["pool"]:
        found += _pool(each.section, each.value)
    for each in draft.built["cache"]:
        found += _cache(each.section, each.value)
    for each in draft.built["route"]:
        found += _route(each.section, each.value, draft)
    for each in (*draft.built["defaults"], *draft.built["route"]):
        if each.value is not None:
            found += apps.warnings(each.section, each.value)
            found += websockets.warnings(each.section, each.value)
            found += patience.warnings(each.section, each.value)
            found += rewriting.warnings(each.section, each.value)
            found += pages.warnings(each.section, each.value, elsewhere=has_pages)
            found += static.warnings(each.section, each.value)
        found += cache_leaks.of(each.section, each.value)
        found += failures.of_route(each.section, each.value)
        found += guards.of_route(each.section, each.value)
    for each in draft.built["limit"]:
        found += guards.of_limit(each.section, each.value)
    for each in draft.built["shell"]:
        found += _private(each)
    for each in draft.built["status"]:
        found += _status(each)
    found += _shell_keys(draft)
    found += shared_caches.of(draft)
    found += logs.warnings(draft)
    found += tracing.warnings(draft)
    found += _unused(draft)
    return found


def _door(door: Built) -> Iterator[Problem]:
    section, settings = door.section, door.value
    for address in settings.on:
        if isinstance(address, Tcp) and address.port == 0:
            yield section.problem(
                "on", "port 0: the system picks another port at every start", "write the port that clients know"
            )
    for network in settings.trusted_proxies:
        if network != UNIX_CLIENTS and ipaddress.ip_network(network).prefixlen == 0:
            yield section.problem(
                "trusted_proxies", f"{network} is everyone: any client may forge its address", "name your proxies only"
            )


def _listener(listener: Built) -> Iterator[Problem]:
    section, settings = listener.section, listener.value
    if settings.max_target >= settings.max_header_size:
        yield section.problem(
            "max_target" if section.gives("max_target") else "max_header_size",
            f"max_target ({write_size(settings.max_target)}) does not fit in the head",
            f"make max_header_size ({write_size(settings.max_header_size)}) larger",
        )


def _certificates(section: Section, key: str, pairs: Sequence[CertificateFiles]) -> Iterator[Problem]:
    now = datetime.datetime.now(datetime.UTC)
    for number, pair in enumerate(pairs):
        line = section.entries[key].items[number].line
        leaf = files.chain_of(pair.chain)[0]
        if leaf.not_valid_after_utc < now:
            yield section.problem(key, f"{pair.chain} expired on {leaf.not_valid_after_utc:%Y-%m-%d}", "renew it", line)
        elif leaf.not_valid_after_utc < now + expiry.soon(leaf.not_valid_after_utc - leaf.not_valid_before_utc):
            yield section.problem(key, f"{pair.chain} expires on {leaf.not_valid_after_utc:%Y-%m-%d}", "renew it", line)
        elif leaf.not_valid_before_utc > now:
            yield section.problem(key, f"{pair.chain} is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}", "", line)
        if os.stat(pair.key).st_mode & stat.S_IROTH:
            yield section.problem(key, f"every user of this machine can read the key in {pair.key}", "chmod o-r it", line)


def _pool(section: Section, pool: PoolSettings) -> Iterator[Problem]:
    encrypted = any(server.tls for server in pool.servers) or (pool.check is not None and pool.check.kind == "tls")
    if pool.client_certificate is not None:
        yield from _certificates(section, "client_certificate", (pool.client_certificate,))
    for number, server in enumerate(pool.servers):
        if server.name.startswith("srv:_https.") and not server.tls:
            line = section.entries["servers"].items[number].line
            yield section.problem("servers", f"{server.name} is spoken to without TLS", f"write https://{server.name}", line)
    if encrypted and not pool.verify:
        yield section.problem(
            "verify", "whoever answers at a peer's address is trusted", "name the peer's authority by ca = FILE instead"
        )
    for key in _ONLY_WITH_TLS:
        if section.gives(key) and not encrypted:
            yield section.problem(
                key, "has no effect: no server is https://", "write https://HOST:PORT in servers, or remove the line"
            )
    yield from checks.of_pool(section, pool)
    if pool.max_fails == 0 and section.gives("fail_timeout"):
        yield section.problem("fail_timeout", "has no effect: max_fails is 0", "give max_fails a number, or remove the line")
    yield from failures.of_pool(section, pool)
    yield from balancing.of_pool(section, pool)
    yield from http2.of_pool(section, pool)
    if pool.keepalive == 0 and section.gives("keepalive_timeout"):
        yield section.problem("keepalive_timeout", "has no effect: keepalive is 0", "give keepalive a number, or remove the line")
    if all(server.down for server in pool.servers):
        yield section.problem("servers", "every server is down: the pool answers 503", "take down off one of them")


def _cache(section: Section, cache: CacheSettings) -> Iterator[Problem]:
    for key, value in (("memory", cache.memory), ("max_entry", cache.max_entry)):
        if value > cache.max_size:
            is_given = section.gives(key)
            most = write_size(cache.max_size)
            yield section.problem(
                key if is_given else "max_size",
                f"{key} ({write_size(value)}{'' if is_given else ' by default'}) is larger than max_size ({most})",
                f"write {key} = {most} or less",
            )


def _route(section: Section, route: RouteSettings, draft: Draft) -> Iterator[Problem]:
    alone = route.pool is None and route.hosted is None and not route.split
    if route.redirect is not None or route.respond is not None or (route.static is not None and alone):
        how = "redirects" if route.redirect is not None else "answers by itself"
        for key in (*_ONLY_WITH_POOL, *_ONLY_WITH_CACHE):
            if section.gives(key) and not (route.static is not None and key in _OF_PATHS):
                yield section.problem(key, f"has no effect: the route {how}", "remove the line")
    if route.redirect is not None:
        for found in _DOLLAR_NAME.finditer(route.redirect.location):
            yield section.problem(
                "redirect", f"{found[0]} is sent as it stands", f"write {{{found[1]}}} for what the request says"
            )
    if route.redirect is None and route.respond is None and not (route.static and alone) and route.cache is None:
        for key in _ONLY_WITH_CACHE:
            if section.gives(key):
                yield section.problem(key, "has no effect without cache", "add cache = NAME, or remove the line")
    if route.cache is not None and not route.cache_lock:
        if section.gives("cache_lock_timeout"):
            yield section.problem("cache_lock_timeout", "has no effect: cache_lock is no", "remove the line")
        if not route.cache_background_update:
            yield section.problem(
                "cache_background_update" if section.gives("cache_background_update") else "cache_lock",
                "without cache_lock nobody knows of an update that goes on, and nothing is served stale meanwhile",
                "let one of the two be yes",
            )
    listeners = [door for door in draft.values("listen") if not route.listen or door.name in route.listen]
    sections = {each.name: each for each in draft.values("tls")}
    yield from tls.route_warnings(section, route, [sections[door.tls] for door in listeners if door.tls in sections])
    schemes = {match.scheme for match in route.matches}
    if None not in schemes and not any(("https" if door.tls is not None else "http") in schemes for door in listeners):
        needed = "has tls" if "https" in schemes else "is without tls"
        yield section.problem(
            "", f"is never reached: none of its listeners {needed}", "add a listener, or take the scheme off the title"
        )


def _private(built: Built) -> Iterator[Problem]:
    """The shell is meant for this machine."""
    for address in _reached_from_outside(built):
        yield built.section.problem(
            "on", f"{address} can be reached from other machines", f"write tcp:127.0.0.1:{address.port} unless that is meant"
        )


def _status(built: Built) -> Iterator[Problem]:
    """The status port is meant for this machine, or for those who log in."""
    section, status = built.section, built.value
    for address in _reached_from_outside(built) if status.protect != "everything" else ():
        who = "whoever reaches it sees the state" if status.users is not None else "it has no users"
        needed = "protect = everything" if status.users is not None else "users and protect = everything"
        yield section.problem(
            "on",
            f"{address} can be reached from other machines, and {who}",
            f"write tcp:127.0.0.1:{address.port}, or add {needed}",
        )
    if status.users is not None:
        yield from guards.weak_passwords(section, "users", status.users)


def _reached_from_outside(built: Built) -> list[Tcp]:
    """The addresses that are not loopback ones."""
    tcp = [address for address in built.value.on if isinstance(address, Tcp)]
    return [address for address in tcp if not (address.host and ipaddress.ip_address(address.host).is_loopback)]


def _shell_keys(draft: Draft) -> Iterator[Problem]:
    for each in draft.built["shell"]:
        if not os.path.exists(each.value.authorized_keys):
            continue
        lines = files.contents(each.value.authorized_keys).split(b"\n")
        if not any(line.strip() and not line.lstrip().startswith(b"#") for line in lines):
            yield each.section.problem(
                "authorized_keys", f"{each.value.authorized_keys} has no key: nobody can log in", "add a public key"
            )


def _unused(draft: Draft) -> Iterator[Problem]:
    used = {
        "tls": {door.tls for kind in ("listen", "stream") for door in draft.values(kind)},
        "pool": {
            *(each.pool for kind in ("route", "stream") for each in draft.values(kind)),
            *(line.pool for stream in draft.values("stream") for line in stream.sni),
            *(route.mirror for route in draft.values("route")),
            *(line.pool for route in draft.values("route") for line in route.split),
        },
        "map": routing.named_maps(draft),
        "cache": {route.cache for route in draft.values("route")},
    }
    used["limit"] = {name for route in draft.values("route") for name in route.limits}
    for kind, names in used.items():
        for name, section in draft.names(kind).items():
            if name not in names:
                yield section.problem("", "is not used", f"name it by {_NAMED_BY.get(kind, kind)} = {name}, or remove it")
