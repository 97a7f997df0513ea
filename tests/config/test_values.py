"""Every kind of value: what is understood, what is refused, and what is said then."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedproxy.addresses import Tcp, Unix
from twistedproxy.config import http, log_values, network, rewriting, scalars
from twistedproxy.config.problems import BadValue
from twistedproxy.config.scalars import Context
from twistedproxy.config.sections import SECTIONS, rows
from twistedproxy.config.values import KINDS
from twistedproxy.settings.answers import RedirectAnswer
from twistedproxy.settings.edits import HeaderEdit
from twistedproxy.settings.routes import RouteMatch
from twistedproxy.settings.servers import ServerSettings, StandsFor

HERE = Context("/srv", {})


def refusal(kind: str, text: str, **row: Any) -> str:
    """What is said about a value that is refused."""
    with pytest.raises(BadValue) as caught:
        KINDS[kind].parse(text, Context("/srv", row))
    return str(caught.value)


def test_every_knob_has_a_kind_and_every_kind_a_knob() -> None:
    used = {row["kind"] for section in SECTIONS.values() for row in rows(section.made).values()}
    assert used == set(KINDS)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("250ms", 0.25), ("5s", 5), ("10m", 600), ("24h", 86400), ("30d", 2592000), ("0s", 0)]
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert scalars.duration(text, HERE) == seconds


@pytest.mark.parametrize("text", ["5", "-1s", "1.5s", "1 s", "1S", "1_0s", "٣s", "1w", "", "s", "1s\n", "1m30s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    assert "is not a duration" in refusal("duration", text)


def test_a_duration_without_unit_is_told_the_unit() -> None:
    assert refusal("duration", "10") == "'10' is not a duration; write 10s for seconds"


@given(st.integers(0, 10**11))
def test_durations_are_written_back(milliseconds: int) -> None:
    assert scalars.duration(scalars.write_duration(milliseconds / 1000), HERE) == milliseconds / 1000


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("512", 512), ("4k", 4096), ("10m", 10 * 2**20), ("1g", 2**30)])
def test_sizes_are_bytes(text: str, size: int) -> None:
    assert scalars.size(text, HERE) == size


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("10M", "10m"),
        ("10MB", "10m"),
        ("10 k", "10k"),
        ("1GiB", "1g"),
        ("1t", "for instance"),
        ("-1", "for"),
        ("1_0", "for"),
        ("٣", "for"),
    ],
)
def test_what_is_no_size_is_refused_with_a_remedy(text: str, remedy: str) -> None:
    assert f"is not a size; write {remedy}" in refusal("size", text)


@given(st.integers(0, 10**14))
def test_sizes_are_written_back(number: int) -> None:
    assert scalars.size(scalars.write_size(number), HERE) == number


def test_bounds_are_said_in_the_unit_of_the_knob() -> None:
    assert refusal("size", "1", minimum=1024) == "1 is too small; at least 1k"
    assert refusal("duration", "2h", maximum=3600.0) == "2h is too large; at most 1h"
    assert refusal("integer", "0", minimum=1) == "0 is too small; at least 1"


@pytest.mark.parametrize("text", ["+1", "-1", " 1", "1 ", "1_000", "٣", "1e3", "0x1", "", "9" * 30])
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    assert "is not a whole number" in refusal("integer", text)


@pytest.mark.parametrize(
    ("text", "said"), [("true", "yes"), ("On", "yes"), ("YES", "yes"), ("off", "no"), ("0", "no"), ("vielleicht", "yes or no")]
)
def test_switches_are_yes_or_no(text: str, said: str) -> None:
    assert refusal("boolean", text) == f"{text!r} is not yes or no; write {said}"


def test_an_unknown_choice_is_told_the_nearest() -> None:
    assert (
        refusal("choice", "round-robin", choices=("round_robin", "hash"))
        == "'round-robin' is not known here; did you mean round_robin?"
    )
    assert refusal("choice", "xyz", choices=("tunnel", "no")) == "'xyz' is not known here; known: no, tunnel"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("tcp:80", Tcp("", 80)),
        ("tcp:*:80", Tcp("", 80)),
        ("tcp:127.0.0.1:0", Tcp("127.0.0.1", 0)),
        ("tcp:[::1]:80", Tcp("::1", 80)),
        ("tcp:[0:0::1]:80", Tcp("::1", 80)),
        ("unix:run/a.sock", Unix("/srv/run/a.sock")),
        ("unix:/a.sock mode=600", Unix("/a.sock", 0o600)),
    ],
)
def test_where_to_listen(text: str, address: Tcp | Unix) -> None:
    assert network.listen_address(text, HERE) == address
    assert network.listen_address(network.write_listen_address(address), HERE) == address


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("80", "write tcp:80"),
        ("tcp:localhost:80", "write 127.0.0.1 or [::1]"),
        ("tcp:example.com:80", "leave it out"),
        ("tcp:65536", "write a number from 0 to 65535"),
        ("tcp:", "write digits only"),
        ("tcp:8_0", "write digits only"),
        ("unix:", "write unix:/run/site.sock"),
        ("unix:/a mode=999", "write mode=660"),
        ("ssl:443", "Twisted cannot make an endpoint of it"),
    ],
)
def test_where_nobody_can_listen(text: str, said: str) -> None:
    assert said in refusal("listen_addresses", text)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("app.internal:3000", ServerSettings(Tcp("app.internal", 3000))),
        ("App_1:80 weight=3 backup", ServerSettings(Tcp("app_1", 80), weight=3, backup=True)),
        ("http://a", ServerSettings(Tcp("a", 80))),
        ("https://a/ down", ServerSettings(Tcp("a", 443), tls=True, down=True)),
        ("https://[2001:DB8::0:1]:8443", ServerSettings(Tcp("2001:db8::1", 8443), tls=True)),
        ("unix:/run/app.sock", ServerSettings(Unix("/run/app.sock"))),
        ("unix:app.sock weight=2", ServerSettings(Unix("/srv/app.sock"), weight=2)),
        ("app:80 addresses=all backup", ServerSettings(Tcp("app", 80), backup=True, stands_for=StandsFor.ADDRESSES)),
        ("app:80 addresses=one", ServerSettings(Tcp("app", 80))),
        ("app:80 addresses=ipv4", ServerSettings(Tcp("app", 80), stands_for=StandsFor.ADDRESSES, family="ipv4")),
        ("https://a server_name=B.example", ServerSettings(Tcp("a", 443), tls=True, server_name="b.example")),
        ("srv:_http._tcp.App.internal.", ServerSettings(Tcp("_http._tcp.app.internal", 0), stands_for=StandsFor.RECORDS)),
        (
            "https://srv:_web._tcp.a server_name=a down",
            ServerSettings(Tcp("_web._tcp.a", 0), tls=True, down=True, stands_for=StandsFor.RECORDS, server_name="a"),
        ),
    ],
)
def test_servers(text: str, server: ServerSettings) -> None:
    assert network.server(text, HERE) == server
    assert network.server(network.write_server(server), HERE) == server


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("app", "'app' has no port; write app:80, or https://app"),
        ("app:0", "write a number from 1 to 65535"),
        ("app:80/path", "strip_prefix"),
        ("ftp://app", "known: http, https"),
        ("htps://app", "did you mean https?"),
        ("::1:80", "write an IPv6 address in brackets"),
        ("[::g]:80", "is not an IPv6 address"),
        ("300.1.1.1:80", "is not an IPv4 address"),
        ("a:80 b:80", "is not an option"),
        ("[fe80::1%eth0]:80", "is not an IPv6 address"),
        ("a..b:80", "is not a host name"),
        ("bücher.example:80", "xn--"),
        ("a:80 weight=70000", "write 0 to 65535"),
        ("a:80 weight=x", "'x' is not a weight"),
        ("a:80 bakcup", "did you mean backup?"),
        ("a:80 down=yes", "did you mean down?"),
        ("a:80 down down", "down is said twice"),
        ("unix:", "has no path"),
        ("a:80 addresses=ip4", "did you mean ipv4?"),
        ("192.0.2.1:80 addresses=all", "192.0.2.1:80 is an address already"),
        ("[::1]:80 addresses=all", "[::1]:80 is an address already"),
        ("unix:/a addresses=all", "addresses is an option of names"),
        ("srv:_http._tcp.a addresses=all", "addresses is an option of names"),
        ("srv:_http._tcp.a weight=2", "the weights of these peers come from their SRV records"),
        ("srv:a.internal", "write for instance srv:_http._tcp.example.com, without a port"),
        ("srv:_http._tcp.a:80", "is not a host name"),
        ("a:80 server_name=b", "write https://a:80"),
        ("https://a server_name=b..c", "is not a host name"),
    ],
)
def test_what_is_no_server(text: str, said: str) -> None:
    assert said in refusal("servers", text)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("/", RouteMatch(None, None, None, "/")),
        ("example.com/", RouteMatch(None, "example.com", None, "/")),
        ("http://*/", RouteMatch("http", None, None, "/")),
        ("*:8080/x", RouteMatch(None, None, 8080, "/x")),
        ("*.Example.com/api/", RouteMatch(None, "*.example.com", None, "/api/")),
        ("https://h:8443/x", RouteMatch("https", "h", 8443, "/x")),
        ("[::0:1]:80/", RouteMatch(None, "[::1]", 80, "/")),
        ("/caf%C3%A9/a%20b", RouteMatch(None, None, None, "/café/a b")),
        ("/café/%25", RouteMatch(None, None, None, "/café/%")),
        ("/a:b@c", RouteMatch(None, None, None, "/a:b@c")),
    ],
)
def test_what_a_route_is_named_by(text: str, match: RouteMatch) -> None:
    assert network.route_match(text) == match


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the route says not what it matches"),
        ("example.com", "write [route example.com/]"),
        ("ws://h/", "write http://"),
        ("wss://h/", "write https://"),
        ("ftp://h/", "'ftp' is not a scheme"),
        ("http:///x", "write http://*/x for any host"),
        ("a*.example.com/", "is not a host name"),
        ("*.*.example.com/", "is not a host name"),
        ("h:/", "is not a port"),
        ("h:0/", "is not a port"),
        (":80/", "the host is missing"),
        ("/x?y", "routes know paths only"),
        ("/a b", "write %20"),
        ("/a%2", "write %25"),
        ("/a%FF", "is not UTF-8"),
        ("/a//b", "is not a normal path"),
        ("/a/../b", "is not a normal path"),
        ("/a/%2e", "is not a normal path"),
        ("/a%2fb", "is not a normal path"),
        ("/a;v=1/", "is not a normal path"),
        ("/a\\b", "is not a normal path"),
        ("/a%00", "is not a normal path"),
        ("~ ^/v1", "is not a host name"),
    ],
)
def test_what_no_route_is_named_by(text: str, said: str) -> None:
    with pytest.raises(BadValue) as caught:
        network.route_match(text)
    assert said in str(caught.value)


def test_networks_are_addresses_or_cidr() -> None:
    assert network.network("10.0.0.0/8", HERE) == "10.0.0.0/8"
    assert network.network("192.0.2.7", HERE) == "192.0.2.7/32"
    assert network.network("FD00::/8", HERE) == "fd00::/8"
    assert refusal("networks", "10.0.0.1/8") == "'10.0.0.1/8' has bits behind its prefix; write 10.0.0.0/8"
    assert "write for instance" in refusal("networks", "example.com")


def test_host_is_preserved_or_that_of_the_peer_or_a_literal() -> None:
    assert [network.host_field(text, HERE) for text in ("preserve", "upstream", "Example.com:80", "[::1]")] == [
        "preserve",
        "upstream",
        "example.com:80",
        "[::1]",
    ]
    assert refusal("host_field", "preserved") == "'preserved' looks like preserve; did you mean preserve?"


def test_names_for_certificates() -> None:
    assert network.certificate_name("*.Example.com", HERE) == "*.example.com"
    assert network.certificate_name("::1", HERE) == "::1"
    assert "is not a host name" in refusal("host_names", "*.*.com")
    assert "is not a host name" in refusal("host_name", "exa mple")


def test_a_prefix_of_paths_keeps_its_escapes() -> None:
    assert network.path_prefix("/a%20b", HERE) == "/a%20b"
    assert "write /api" in refusal("path_prefix", "api")
    assert "is not the beginning of a path" in refusal("path_prefix", "/a?b")


def test_statuses_that_pass_a_check() -> None:
    assert [http.write_status_range(http.status_range(text, HERE)) for text in ("200", "200-299")] == ["200", "200-299"]
    assert refusal("statuses", "299-200") == "'299-200' runs backwards; write 200-299"
    assert "write 100 to 599" in refusal("statuses", "600")
    assert "'2xx' is not a status" in refusal("statuses", "2xx")


def test_freshness_by_status() -> None:
    assert http.cache_valid("200 301 10m", HERE) == (frozenset((200, 301)), 600.0)
    assert http.write_cache_valid((frozenset((301, 200)), 600.0)) == "200 301 10m"
    assert "names no status" in refusal("cache_valid", "10m")
    assert "'ten' is not a duration" in refusal("cache_valid", "200 ten")
    assert "write 200 to 599" in refusal("cache_valid", "100 1m")


@pytest.mark.parametrize(
    "edit",
    [
        HeaderEdit("set", "X-A", "a  b"),
        HeaderEdit("add", "X-A", "1"),
        HeaderEdit("remove", "Server"),
        HeaderEdit("append", "X-A", "{status}"),
    ],
)
def test_header_edits(edit: HeaderEdit) -> None:
    assert rewriting.response_edit(rewriting.write_header_edit(edit), HERE) == edit


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sett X-A 1", "did you mean set?"),
        ("set", "write set NAME VALUE"),
        ("remove", "write remove NAME"),
        ("set X-A", "or remove X-A"),
        ("remove X-A 1", "write remove X-A"),
        ("set X-A: 1", "write set X-A …"),
        ("set Xé 1", "letters, digits"),
        ("set X-A é", "RFC 9110 §5.5"),
        ("set Content-Length 1", "leave it to the proxy"),
        ("remove Connection", "leave it to the proxy"),
        ("set Host a", "write host = …"),
    ],
)
def test_what_is_no_header_edit(text: str, said: str) -> None:
    assert said in refusal("request_edits", text)


def test_redirects() -> None:
    assert http.redirect("301 https://{host}{uri}", HERE) == RedirectAnswer(301, "https://{host}{uri}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://x/", "is not STATUS LOCATION"),
        ("301", "is not STATUS LOCATION"),
        ("٣01 /", "'٣01' is not a status"),
        ("200 /", "write one of 301, 302"),
        ("301 /a b", "percent-encoded"),
        ("301 /é", "percent-encoded"),
        ("301 {hots}", "did you mean {host}?"),
        ("301 {status}", "not known before there is an answer"),
        ("301 /{", "a brace stands alone"),
    ],
)
def test_what_is_no_redirect(text: str, said: str) -> None:
    assert said in refusal("redirect", text)


def test_log_formats() -> None:
    for text in ("combined", "json", "{client} {status} {header.User-Agent}"):
        assert log_values.log_format(text, HERE) == text
    assert "did you mean combined?" in refusal("log_format", "combind")
    assert "write combined, json" in refusal("log_format", "hello world")
    assert "did you mean {status}?" in refusal("log_format", "{statsu}")


def test_name_servers() -> None:
    for text, address in (("192.0.2.53", Tcp("192.0.2.53", 53)), ("192.0.2.53:5353", Tcp("192.0.2.53", 5353))):
        assert network.nameserver(text, HERE) == address
        assert network.write_nameserver(address) == text
    for text in ("ns.example.com", "[::1]:53"):
        assert "is not the IPv4 address of a server" in refusal("nameservers", text)
