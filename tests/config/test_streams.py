"""What streams may say, and what is wrong with it."""

from __future__ import annotations

import pytest

from tests.config.sites import SMALL, errors, loaded, warnings
from tests.config.test_values import refusal
from twistedproxy.config.effective import effective
from twistedproxy.settings.streams import SniSettings

#: A complete site without HTTP: what a test appends to its stream begins in line 6.
STREAM = """\
[pool db]
servers = 127.0.0.1:5432
[stream db]
on = tcp:5433
pool = db
"""
PASSING = "[stream mail]\non = tcp:8443\nsni =\n    a.example app\n    *.example app alpn=h2,http/1.1\n    * app\n"
SECURE = (
    "[listen b]\non = tcp:443\ntls = site\n[tls site]\nself_signed = localhost\n[stream mail]\nlisten = b\nsni = a.example app\n"
)


def test_a_site_may_have_streams_only() -> None:
    settings = loaded(STREAM).settings
    assert settings.streams[0].pool == "db" and not settings.listen
    assert not warnings(STREAM)


@pytest.mark.parametrize("text", [STREAM + "protocols = postgresql\n", SMALL + PASSING, SMALL + SECURE])
def test_it_is_written_back(text: str) -> None:
    settings = loaded(text).settings
    assert loaded(effective(settings)).settings == settings


def test_lines_of_names_are_read() -> None:
    assert loaded(SMALL + PASSING).settings.streams[0].sni == (
        SniSettings("a.example", "app"),
        SniSettings("*.example", "app", ("h2", "http/1.1")),
        SniSettings("*", "app"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.example", "'a.example' names no pool; write a.example POOL"),
        ("a.example alpn=h2", "names no pool"),
        ("a.example app h2", "'h2' is not an option of a name; write one of"),
        ("a.example app alpn=", "'' is not the name of a protocol"),
        ("a.example app alpn=h2 alpn=h3", "alpn is said twice; write alpn=h2,http/1.1 for several protocols"),
        ("a..example app", "is not a host name"),
        ("10.0.0.1 app", "10.0.0.1 is an address, and clients ask for names"),
    ],
)
def test_what_is_no_line_of_names_is_refused(text: str, said: str) -> None:
    assert said.split("; write one of")[0] in refusal("sni", text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (STREAM.replace("on = tcp:5433\n", ""), "nobody can connect to it; add on = tcp:PORT, or listen = NAME"),
        (STREAM.replace("pool = db\n", ""), "leads nowhere; add pool = NAME, or lines of sni"),
        (STREAM + "sni = a.example db\n", "the stream has a pool, too; write * POOL as the last line of sni instead of pool"),
        (SMALL + PASSING + "tls = site\n[tls site]\nself_signed = a\n", "what tls decrypts is not routed undecrypted"),
        (SMALL + PASSING.replace("* app", "* ap"), "there is no [pool ap]; did you mean app?"),
        (SMALL + PASSING.replace("* app", "*.example app alpn=h2"), "*.example with alpn=h2 stands twice"),
        (SMALL + PASSING + "[listen mail]\non = tcp:1\n", "there is a [listen mail], too; give each door its own name"),
        (SMALL + SECURE.replace("listen = b", "listen = http"), "[listen http] has no tls: clients ask it for no names"),
        (SMALL + SECURE.replace("listen = b", "listen = c"), "there is no [listen c]"),
        (SMALL + SECURE.replace("a.example app", "* app"), "all other names are served by [listen b] itself"),
        (SMALL + SECURE.replace("sni = a.example app", "pool = app"), "which of the listener's connections are meant?"),
        (
            SMALL + SECURE + "[stream more]\nlisten = b\nsni = a.example app\n",
            "[stream mail] takes a.example from [listen b] already; remove one",
        ),
        (STREAM + "proxy_protocol = accept\n", "nobody's header is believed"),
        (STREAM + "[status]\non = tcp:5433\n", "is already opened as *:5433 by [stream db]"),
        (STREAM + "[log a]\nfile = -\nof = streams\nformat = {client} {uri}\n", "{uri} is a name of requests"),
        (STREAM + "[log a]\nfile = -\nformat = {client} {server_name}\n", "{server_name} is a name of streams"),
    ],
)
def test_mistakes_are_told_with_their_remedy(text: str, said: str) -> None:
    assert any(said in error for error in errors(text)), errors(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (STREAM + "protocols = postgresql\n", "protocols: has no effect without tls"),
        (SMALL + SECURE + "backlog = 5\n", "backlog: has no effect without on: the listener has its own"),
        (STREAM + "trusted_proxies = 0.0.0.0/0\n", "is everyone"),
        (
            STREAM.replace("127.0.0.1:5432\n", "\n 127.0.0.1:5432\n 127.0.0.1:5434\nbalance = hash {uri}\n"),
            "[stream db] does not know {uri}; write {client}, or {host} for the name by SNI",
        ),
        (
            STREAM.replace("127.0.0.1:5432\n", "\n 127.0.0.1:5432\n 127.0.0.1:5434\nsticky = cookie srv\n"),
            "[stream db] knows no cookies; write sticky = hash {client}",
        ),
    ],
)
def test_what_has_no_effect_is_warned_of(text: str, said: str) -> None:
    assert any(said in warning for warning in warnings(text)), warnings(text)


def test_formats_of_stream_logs_are_checked() -> None:
    assert not errors(STREAM + "[log a]\nfile = -\nof = streams\nformat = {client} {server_name} {session_time}\n")
