"""Doors against the other sections: where streams come in and lead, and whose word is believed of whom."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twistedproxy.addresses import Endpoint
from twistedproxy.config.problems import Problem
from twistedproxy.config.sections import Built, Draft
from twistedproxy.settings.streams import StreamSettings
from twistedproxy.spelling import choose_from
from twistedproxy.templates import Template
from twistedproxy.transport.endpoints import SYSTEMD

#: Keys of a stream that are about ports of its own.
_ONLY_WITH_ON: Final = ("proxy_protocol", "trusted_proxies", "header_timeout", "handshake_timeout", "backlog")
#: What of the names in templates a stream knows.
_KNOWN: Final = frozenset(("client", "client_port", "port", "host"))


def check(draft: Draft) -> Iterator[Problem]:
    """What is wrong with the doors of *draft*."""
    listeners = draft.names("listen")
    taken: dict[tuple[str, str, str], Built] = {}
    for each in (*draft.built["listen"], *draft.built["stream"]):
        yield from _headers(each)
        yield from _foreign(each)
    for stream in draft.built["stream"]:
        if stream.section.name in listeners:
            yield stream.section.problem("", f"there is a [listen {stream.section.name}], too", "give each door its own name")
        if stream.value is not None:
            yield from _ways(stream, draft)
            yield from _shared(stream, draft, taken)


def _headers(door: Built) -> Iterator[Problem]:
    """PROXY protocol headers are believed from somebody, or not read."""
    settings = door.value
    if settings is not None and settings.proxy_protocol != "no" and not door.section.gives("trusted_proxies"):
        yield door.section.problem(
            "proxy_protocol",
            "nobody's header is believed",
            "name those who send them, for instance trusted_proxies = 10.0.0.0/8, or unix: for a unix socket",
        )


def _foreign(door: Built) -> Iterator[Problem]:
    """What others listen on is not read before them."""
    settings = door.value
    if settings is None:
        return
    for number, address in enumerate(settings.on):
        if not isinstance(address, Endpoint) or address.text.startswith(f"{SYSTEMD}:"):
            continue
        place = door.section.entries["on"].items[number].line
        for key, remedy in (
            ("tls", "write an endpoint with TLS, for instance ssl:443:privateKey=…, or tcp:PORT"),
            ("proxy_protocol", "write tcp:PORT, or unix:PATH"),
            ("sni", "write tcp:PORT, or unix:PATH"),
        ):
            if door.section.gives(key) and getattr(settings, key) != "no":
                yield door.section.problem("on", f"{key} has no effect on {address.text}, where Twisted listens", remedy, place)


def _ways(stream: Built, draft: Draft) -> Iterator[Problem]:
    """A stream comes in somewhere, and leads somewhere."""
    section = stream.section
    if not section.gives("on") and not section.gives("listen"):
        yield section.problem(
            "", "nobody can connect to it", "add on = tcp:PORT, or listen = NAME for names that it takes from a listener"
        )
    if section.gives("pool") and section.gives("sni"):
        yield section.problem("sni", "the stream has a pool, too", "write * POOL as the last line of sni instead of pool")
    elif not section.gives("pool") and not section.gives("sni"):
        yield section.problem("", "leads nowhere", "add pool = NAME, or lines of sni")
    if section.gives("tls") and section.gives("sni"):
        yield section.problem("sni", "what tls decrypts is not routed undecrypted", "write two streams, or one of tls and sni")
    pools = draft.names("pool")
    seen: set[tuple[str, str]] = set()
    for number, line in enumerate(stream.value.sni):
        place = section.entries["sni"].items[number].line
        if line.pool not in pools:
            remedy = choose_from(line.pool, pools) if pools else f"add one, with the title [pool {line.pool}]"
            yield section.problem("sni", f"there is no [pool {line.pool}]", remedy, place)
        for protocol in line.protocols or ("",):
            if (line.host, protocol) in seen:
                what = f"{line.host} with alpn={protocol}" if protocol else line.host
                yield section.problem("sni", f"{what} stands twice", "remove one", place)
            seen.add((line.host, protocol))


def _shared(stream: Built, draft: Draft, taken: dict[tuple[str, str, str], Built]) -> Iterator[Problem]:
    """A stream takes connections from a listener that has TLS, by their names, and each name is one stream's."""
    section, settings = stream.section, stream.value
    if not settings.listen:
        return
    if not settings.sni:
        yield section.problem("listen", "which of the listener's connections are meant?", "add lines of sni: NAME POOL")
    by_name = {each.name: each for each in draft.values("listen")}
    for name in settings.listen:
        if name in by_name and by_name[name].tls is None:
            yield section.problem(
                "listen", f"[listen {name}] has no tls: clients ask it for no names", "add tls to it, or write on = tcp:PORT"
            )
        for number, line in enumerate(settings.sni):
            place = section.entries["sni"].items[number].line
            if line.host == "*" and not line.protocols:
                yield section.problem(
                    "sni", f"all other names are served by [listen {name}] itself", "remove *, or write on = tcp:PORT", place
                )
            for protocol in line.protocols or ("",):
                other = taken.setdefault((name, line.host, protocol), stream)
                if other is not stream:
                    yield section.problem(
                        "sni", f"[{other.section.title}] takes {line.host} from [listen {name}] already", "remove one", place
                    )


def warnings(draft: Draft) -> Iterator[Problem]:
    """What of a stream has no effect."""
    for stream in draft.built["stream"]:
        section, settings = stream.section, stream.value
        if section.gives("protocols") and not section.gives("tls"):
            yield section.problem("protocols", "has no effect without tls", "add tls = NAME, or remove the line")
        if not section.gives("on"):
            for key in _ONLY_WITH_ON:
                if section.gives(key):
                    yield section.problem(key, "has no effect without on: the listener has its own", "remove the line")
        yield from _unheeded(settings, draft)


def _unheeded(stream: StreamSettings, draft: Draft) -> Iterator[Problem]:
    """What of its pools a stream cannot heed."""
    names = {line.pool for line in stream.sni} | ({stream.pool} if stream.pool else set())
    for pool in draft.built["pool"]:
        if pool.section.name not in names:
            continue
        sticky = pool.value.sticky
        if sticky is not None and sticky.cookie:
            yield pool.section.problem("sticky", f"[stream {stream.name}] knows no cookies", "write sticky = hash {client}")
        for key, text in (("sticky", sticky.key if sticky is not None else ""), ("balance", pool.value.balance.key)):
            for name in Template.parse(text).names if text else ():
                if name not in _KNOWN:
                    yield pool.section.problem(
                        key, f"[stream {stream.name}] does not know {{{name}}}", "write {client}, or {host} for the name by SNI"
                    )
