"""What a route may say of WebSockets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.sites import SMALL, warnings
from tests.config.test_values import HERE, refusal
from twistedproxy.config import websockets


@pytest.mark.parametrize(("text", "rate"), [("10r/s", 10), ("600r/m", 10), ("1r/m", 1 / 60), ("30r/m", 0.5)])
def test_rates_are_times_a_second(text: str, rate: float) -> None:
    assert websockets.rate(text, HERE) == rate


@pytest.mark.parametrize("text", ["r/s", "10/s", "1.5r/s", "-1r/s", "10r/h", "٣r/s", "10r/s\n"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    assert "is not a rate; write for instance 10r/s or 600r/m" in refusal("rate", text)


def test_a_rate_without_unit_is_told_the_unit_and_none_is_no_rate() -> None:
    assert refusal("rate", "10") == "'10' is not a rate; write 10r/s"
    assert refusal("rate", "0r/s") == "0r/s lets nothing through; write a number of at least 1"


@given(st.integers(1, 10**6), st.sampled_from("sm"))
def test_rates_are_written_back(number: int, unit: str) -> None:
    rate = websockets.rate(f"{number}r/{unit}", HERE)
    assert websockets.rate(websockets.write_rate(rate), HERE) == rate


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://App.Example.com", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://*.example.com", "https://*.example.com"),
        ("http://[2001:DB8::1]:8080", "http://[2001:db8::1]:8080"),
        ("same", "same"),
        ("null", "null"),
    ],
)
def test_origins_are_written_as_browsers_send_them(text: str, origin: str) -> None:
    assert websockets.origin(text, HERE) == origin


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://app.example.com/", "has a path; write https://app.example.com"),
        ("app.example.com", "'app.example.com' is not an origin"),
        ("sane", "did you mean same?"),
        ("wss://app.example.com", "is not an origin; write http:// or https://"),
        ("https://*", "is not a host name"),
    ],
)
def test_what_is_no_origin_is_refused(text: str, said: str) -> None:
    assert said in refusal("origin" + "s", text)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("websocket_ping_interval = 5s", "websocket_ping_interval: has no effect: websocket is tunnel"),
        ("websocket = no\nwebsocket_origins = same", "websocket_origins: has no effect: websocket is no"),
        ("websocket = messages\nwebsocket_half_close_timeout = 1s", "websocket_half_close_timeout: has no effect: messages know"),
        (
            "websocket = messages\nwebsocket_message_burst = 1",
            "websocket_message_burst: has no effect without websocket_message_rate",
        ),
        (
            "websocket = messages\nwebsocket_compress = no\nwebsocket_context_takeover = no",
            "websocket_context_takeover: has no effect: websocket_compress is no",
        ),
    ],
)
def test_lines_without_effect_are_told(lines: str, said: str) -> None:
    (warning,) = warnings(f"{SMALL}[route /x]\npool = app\n{lines}\n")
    assert said in warning
