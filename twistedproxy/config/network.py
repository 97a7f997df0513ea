"""Addresses, hosts, networks, servers and what a route is named by."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Final
from urllib.parse import unquote

from twistedproxy.addresses import UNIX_CLIENTS, Address, Endpoint, Tcp, Unix
from twistedproxy.config.problems import BadValue
from twistedproxy.config.scalars import Context, duration, whole_number, write_duration
from twistedproxy.settings.routes import RouteMatch
from twistedproxy.settings.servers import ServerSettings, StandsFor
from twistedproxy.spelling import choose_from, nearest
from twistedproxy.transport.endpoint_strings import BadEndpoint, parts_of
from twistedproxy.transport.endpoints import check_server, client_string, plain_address

MAX_WEIGHT: Final = 65535

# Labels of RFC 952/1123 and the underscore, which container networks use.
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[^:]*))?")
# RFC 3986 §3.3: segments of pchar, split by slashes.
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_BLANK = re.compile(r"\s")
_UNSEEN = re.compile(r"[;\\\x00-\x1f\x7f]")
# RFC 2782: the service and the protocol, each behind an underscore.
_RECORDS = re.compile(r"_[a-z0-9-]{1,62}\._(?:tcp|udp)\.(?P<domain>.+)")
#: Which of a name's addresses are peers of their own.
_ADDRESSES: Final = ("all", "ipv4", "ipv6", "one")
_PREFIX = re.compile(r"[a-z][a-z0-9_-]*")
_MODE = re.compile(r"[0-7]{3,4}")


def host(text: str) -> str:
    """A host in lower case: a name, an IPv4 address, or an IPv6 address in brackets (its shortest form, with brackets)."""
    lower = text.lower()
    if lower.startswith("["):
        try:
            # A zone (RFC 4007) has a meaning on one machine only.
            return f"[{ipaddress.IPv6Address(lower.removeprefix('[').removesuffix(']').replace('%', ' ')).compressed}]"
        except ValueError:
            raise BadValue(f"{text!r} is not an IPv6 address in brackets", "write for instance [2001:db8::1]") from None
    if not lower:
        raise BadValue("the host is missing", "write a name or an address")
    if not lower.isascii():
        raise BadValue(f"{text!r} is not written in ASCII", "write the name's xn-- form")
    if lower.rpartition(".")[2].isdigit():
        try:
            return str(ipaddress.IPv4Address(lower))
        except ValueError:
            raise BadValue(f"{text!r} is not an IPv4 address", "write four numbers from 0 to 255") from None
    if not _NAME.fullmatch(lower):
        raise BadValue(f"{text!r} is not a host name", "letters, digits, hyphens and dots only")
    return lower


def port(text: str, minimum: int = 1) -> int:
    """A TCP port."""
    number = whole_number(text, "a port")
    if not minimum <= number <= 65535:
        raise BadValue(f"{text} is not a port", f"write a number from {minimum} to 65535")
    return number


def authority(text: str) -> tuple[str, int | None]:
    """``host[:port]``: the host as :func:`host` gives it, and the port or None."""
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        remedy = f"write an IPv6 address in brackets: [{text}]" if text.count(":") > 1 else "write host or host:port"
        raise BadValue(f"{text!r} is not a host with an optional port", remedy)
    return host(found["host"]), None if found["port"] is None else port(found["port"])


def authority_text(text: str, at: Context) -> str:
    """``host[:port]`` for a Host field."""
    name, number = authority(text)
    return name if number is None else f"{name}:{number}"


def host_field(text: str, at: Context) -> str:
    """``preserve``, ``upstream`` or a literal ``host[:port]``."""
    if text in ("preserve", "upstream"):
        return text
    if "." not in text and (meant := nearest(text, ("preserve", "upstream"))):
        raise BadValue(f"{text!r} looks like {meant}", f"did you mean {meant}?")
    return authority_text(text, at)


def host_name(text: str, at: Context) -> str:
    """A name or an address without port, an IPv6 address without brackets."""
    return host(f"[{text}]" if ":" in text else text).strip("[]")


def certificate_name(text: str, at: Context) -> str:
    """A name for a certificate: as :func:`host_name`, or ``*.`` and a name."""
    if text.startswith("*."):
        return f"*.{host(text[2:])}"
    return host_name(text, at)


def network(text: str, at: Context) -> str:
    """An address or a network in CIDR, in its shortest form."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        whole = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise BadValue(f"{text!r} is not a network", "write for instance 10.0.0.0/8, 192.0.2.7 or fd00::/8") from None
    raise BadValue(f"{text!r} has bits behind its prefix", f"write {whole}")


def trusted_network(text: str, at: Context) -> str:
    """As :func:`network`, or ``unix:`` for everybody who can open a unix socket that is listened on."""
    return text if text == UNIX_CLIENTS else network(text, at)


def listen_address(text: str, at: Context) -> Address:
    """``tcp:PORT``, ``tcp:HOST:PORT``, ``unix:PATH [mode=660]``, or any server endpoint string of Twisted."""
    scheme, colon, rest = text.partition(":")
    if colon and " " not in text and parts_of(text)[2] and _PREFIX.fullmatch(scheme):
        plain = plain_address(text)
        if plain is None:
            return _endpoint(text)
        return Unix(os.path.join(at.directory, plain.path), plain.mode) if isinstance(plain, Unix) else plain
    if colon and scheme == "tcp":
        where, between, number = rest.rpartition(":")
        if between and where in ("", "*"):
            where = ""
        elif between:
            where = _interface(where)
        return Tcp(where, port(number, minimum=0))
    if colon and scheme == "unix":
        path, *options = rest.split() or [""]
        if not path:
            raise BadValue(f"{text!r} has no path", "write unix:/run/site.sock")
        mode = 0o666
        for option in options:
            name, _, value = option.partition("=")
            if name != "mode" or not _MODE.fullmatch(value):
                raise BadValue(f"{option!r} is not an option of unix:", "write mode=660")
            mode = int(value, 8)
        return Unix(os.path.join(at.directory, path), mode)
    if text.isascii() and text.isdigit():
        raise BadValue(f"{text!r} is not an address to listen on", f"write tcp:{text}")
    if colon and _PREFIX.fullmatch(scheme):
        return _endpoint(text)
    raise BadValue(f"{text!r} is not an address to listen on", "write tcp:PORT, tcp:HOST:PORT or unix:PATH")


def _endpoint(text: str) -> Endpoint:
    """A server endpoint string of Twisted, as it stands."""
    try:
        check_server(text)
    except BadEndpoint as bad:
        raise BadValue(f"{text!r} is not an address to listen on", str(bad)) from None
    return Endpoint(text)


def nameserver(text: str, at: Context) -> Tcp:
    """``ADDRESS[:PORT]`` of a DNS server; IPv4, which is what twisted.names asks by."""
    name, number = authority(text)
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        raise BadValue(f"{text!r} is not the IPv4 address of a server", "write for instance 192.0.2.53") from None
    return Tcp(name, 53 if number is None else number)


def write_nameserver(address: Tcp) -> str:
    """As :func:`nameserver` reads it."""
    return address.host if address.port == 53 else str(address)


def _interface(text: str) -> str:
    """The address of an interface; names are not taken, since what they mean may change."""
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        remedy = "write 127.0.0.1 or [::1]" if text == "localhost" else "write its address, or leave it out for every interface"
        raise BadValue(f"{text!r} is not an address of this machine", remedy) from None


def write_listen_address(address: Address) -> str:
    """As :func:`listen_address` reads it."""
    if isinstance(address, Endpoint):
        return address.text
    if isinstance(address, Unix):
        return f"unix:{address.path}" + (f" mode={address.mode:03o}" if address.mode != 0o666 else "")
    return f"tcp:{address}" if address.host else f"tcp:{address.port}"


def server(text: str, at: Context) -> ServerSettings:
    """
    ``[https://]HOST:PORT``, ``unix:PATH`` or ``[https://]srv:NAME``, and its options; ``tls://`` is the same as ``https://``.

    These are ``weight=N``, ``max_connections=N``, ``slow_start=DURATION``, ``backup``, ``down``, ``drain``, ``addresses=all`` and
    ``server_name=NAME``.
    """
    where, *options = text.split()
    plain = where.removeprefix("https://").removeprefix("tls://")
    stands_for = StandsFor.RECORDS if plain.startswith("srv:") else StandsFor.PEER
    tls, address = (plain != where, _records(plain)) if plain.startswith("srv:") else _peer_address(where, at)
    share = 1
    max_connections = 0
    slow_start = 0.0
    server_name = None
    family = "all"
    flags: set[str] = set()
    for option in options:
        name, equals, value = option.partition("=")
        if name in flags:
            raise BadValue(f"{name} is said twice", "remove one")
        flags.add(name)
        if name == "weight" and equals:
            share = weight(value)
            if stands_for is StandsFor.RECORDS:
                raise BadValue("the weights of these peers come from their SRV records", "remove weight")
        elif name == "max_connections" and equals:
            max_connections = whole_number(value, "a number of connections")
            if not max_connections:
                raise BadValue("max_connections=0 lets nothing through", "write a number, or down for a server without work")
        elif name == "slow_start" and equals:
            slow_start = duration(value, Context(at.directory, {}))
        elif name == "addresses" and equals:
            _check_addresses(value, address)
            stands_for = StandsFor.PEER if value == "one" else StandsFor.ADDRESSES
            family = value if value != "one" else "all"
        elif name == "server_name" and equals:
            if not tls:
                raise BadValue("server_name has no effect without TLS", f"write https://{where}")
            server_name = host_name(value, at)
        elif option not in ("backup", "down", "drain"):
            known = ("weight=N", "max_connections=N", "slow_start=DURATION", "backup", "down", "drain")
            raise BadValue(
                f"{option!r} is not an option of a server", choose_from(option, (*known, "addresses=all", "server_name=NAME"))
            )
    return ServerSettings(
        address,
        tls,
        share,
        "backup" in flags,
        "down" in flags,
        stands_for,
        server_name,
        family=family,
        max_connections=max_connections,
        slow_start=slow_start,
        drain="drain" in flags,
    )


def weight(text: str) -> int:
    """A server's weight; raises BadValue."""
    found = whole_number(text, "a weight")
    if not 0 <= found <= MAX_WEIGHT:
        raise BadValue(f"weight={text} is out of bounds", f"write 0 to {MAX_WEIGHT}")
    return found


def _records(text: str) -> Tcp:
    """The name behind ``srv:``."""
    name = text.removeprefix("srv:").lower().removesuffix(".")
    found = _RECORDS.fullmatch(name)
    if found is None:
        raise BadValue(f"{text!r} is not a name of SRV records", "write for instance srv:_http._tcp.example.com, without a port")
    host(found["domain"])
    return Tcp(name, 0)


def _check_addresses(value: str, address: Address) -> None:
    if value not in _ADDRESSES:
        raise BadValue(f"addresses={value} is not known", choose_from(value, _ADDRESSES))
    if not isinstance(address, Tcp) or address.port == 0:
        raise BadValue("addresses is an option of names", "remove it; write addresses=all behind NAME:PORT")
    if value != "one" and _is_literal(address.host):
        raise BadValue(f"{address} is an address already", "remove addresses=, or write a name")


def _is_literal(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _peer_address(text: str, at: Context) -> tuple[bool, Address]:
    if text.startswith("endpoint:"):
        try:
            return False, Endpoint(client_string(text.removeprefix("endpoint:"), at.directory))
        except BadEndpoint as bad:
            raise BadValue(f"{text!r} is not an endpoint", str(bad)) from None
    if text.startswith("unix:"):
        if text == "unix:":
            raise BadValue(f"{text!r} has no path", "write unix:/run/app.sock")
        return False, Unix(os.path.join(at.directory, text.removeprefix("unix:")))
    scheme, between, rest = text.partition("://")
    if between and scheme not in ("http", "https", "tls"):
        raise BadValue(f"{text!r} has an unknown scheme", choose_from(scheme, ("http", "https", "tls")))
    place = (rest if between else text).removesuffix("/")
    if "/" in place:
        raise BadValue(f"{text!r} has a path", "a server has none; strip_prefix of a route changes paths")
    name, number = authority(place)
    if number is None:
        if not between:
            raise BadValue(f"{text!r} has no port", f"write {place}:80, or https://{place}")
        if scheme == "tls":
            raise BadValue(f"{text!r} has no port", f"write tls://{place}:PORT")
        number = 443 if scheme == "https" else 80
    return scheme in ("https", "tls") and bool(between), Tcp(name.strip("[]"), number)


def write_server(value: ServerSettings) -> str:
    """As :func:`server` reads it."""
    words = [("https://" if value.tls else "") + value.name]
    if value.weight != 1:
        words.append(f"weight={value.weight}")
    if value.max_connections:
        words.append(f"max_connections={value.max_connections}")
    if value.slow_start:
        words.append(f"slow_start={write_duration(value.slow_start)}")
    if value.stands_for is StandsFor.ADDRESSES:
        words.append(f"addresses={value.family}")
    if value.server_name is not None:
        words.append(f"server_name={value.server_name}")
    words += [flag for flag in ("backup", "down", "drain") if getattr(value, flag)]
    return " ".join(words)


def path_prefix(text: str, at: Context) -> str:
    """The beginning of a path as clients send it, that is with its escapes."""
    if not text.startswith("/"):
        raise BadValue(f"{text!r} does not begin with a slash", f"write /{text}")
    if not _PATH.fullmatch(text):
        raise BadValue(f"{text!r} is not the beginning of a path", "write other characters percent-encoded, and no query")
    return text


def route_path(text: str) -> str:
    """
    The path that a route matches, or a prefix of one, in the form in which requests are compared: escapes decoded.

    What no request has in that form (``//``, dot segments, path parameters, backslashes, an escaped slash) is refused.
    """
    if "?" in text or "#" in text:
        raise BadValue(f"{text!r} has a query or a fragment", "routes know paths only")
    if _BLANK.search(text):
        raise BadValue(f"{text!r} has a blank", "write %20")
    if _BAD_ESCAPE.search(text):
        raise BadValue(f"{text!r} has a % without two hexadecimal digits", "write %25 for the sign itself")
    try:
        path = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise BadValue(f"{text!r} is not UTF-8 when its escapes are decoded", "write the characters themselves") from None
    segments = path.split("/")[1:]
    if "" in segments[:-1] or "." in segments or ".." in segments or path.count("/") != text.count("/") or _UNSEEN.search(path):
        raise BadValue(
            f"{text!r} is not a normal path", "requests are compared without //, ., .., ;…, \\, %2f and control characters"
        )
    return path


def route_match(text: str) -> RouteMatch:
    """What ``[route …]`` is named by: ``[scheme://][host[:port]]/path``; ``*`` as host is any host."""
    if not text:
        raise BadValue("the route says not what it matches", "write for instance [route /] or [route example.com/]")
    scheme, between, rest = text.partition("://")
    if not between:
        scheme, rest = "", text
    elif scheme not in ("http", "https"):
        remedy = (
            f"write {'https' if scheme == 'wss' else 'http'}://: a WebSocket begins as a request"
            if scheme in ("ws", "wss")
            else ""
        )
        raise BadValue(f"{scheme!r} is not a scheme of routes", remedy or choose_from(scheme, ("http", "https")))
    place, slash, path = rest.partition("/")
    if not slash:
        raise BadValue(f"{text!r} has no path", f"write [route {text}/] for everything on it")
    if between and not place:
        raise BadValue(f"{text!r} has no host", f"write {scheme}://*/{path} for any host")
    name: str | None = None
    number: int | None = None
    if place == "*" or place.startswith("*:"):
        number = port(place[2:]) if place != "*" else None
    elif place.startswith("*."):
        name, number = authority(place[2:])
        name = f"*.{name}"
    elif place:
        name, number = authority(place)
    return RouteMatch(scheme or None, name, number, route_path("/" + path))
