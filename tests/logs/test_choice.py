"""Which exchanges a log tells of."""

from __future__ import annotations

from typing import Any

import pytest

from tests.admin.site import Things
from tests.config.sites import SMALL, loaded
from tests.logs.exchanges import exchange
from twistedproxy import errors
from twistedproxy.logs.choice import Choice, choice_of, is_sampled


def choice(*lines: str) -> Choice:
    """What a log with these lines chooses."""
    (log,) = loaded("\n".join((SMALL, "[log a]", "file = -", *lines, ""))).settings.logs
    made = choice_of(log)
    assert made is not None
    return made


def with_id(number: int, **attributes: Any) -> Any:
    """An exchange of that id."""
    return exchange(noted={"request_id": f"{number:032x}"}, **attributes)


def test_a_log_without_conditions_asks_nothing() -> None:
    (log,) = loaded(SMALL + "[log a]\nfile = -\n").settings.logs
    assert choice_of(log) is None


@pytest.mark.parametrize(
    ("line", "attributes", "holds"),
    [
        ("status >= 500", {"status": 503}, True),
        ("status >= 500", {"status": 499}, False),
        ("status != 200", {}, False),
        ("request_time > 30ms", {}, True),
        ("header_time < 20ms", {}, False),
        ("header_time <= 20ms", {}, True),
        ("upgrade_time > 0", {}, False),
        ("connect_time >= 0", {"attempt": None}, False),
        ("bytes_sent = 512", {}, True),
        ("{route} = /", {}, True),
        ("{status} ~ ^20", {}, True),
        ("not {error}", {}, True),
        ("{error}", {"reason": errors.CONNECT_REFUSED}, True),
        ("method GET HEAD", {}, True),
        ("not client 192.0.2.0/24", {}, False),
        ("arg b = c", {}, True),
        ("header X-Debug", {}, False),
    ],
)
def test_conditions_look_at_what_has_happened(line: str, attributes: dict[str, Any], holds: bool) -> None:
    assert choice(f"when = {line}")(exchange(**attributes)) is holds


def test_all_lines_must_hold() -> None:
    chosen = choice("when =", "    status >= 500", "    request_time > 1s")
    assert chosen(exchange(status=502, request_time=2.0))
    assert not chosen(exchange(status=502))
    assert not chosen(exchange(request_time=2.0))


def test_a_sample_is_the_same_share_in_every_proxy() -> None:
    chosen, elsewhere = choice("sample = 10%"), choice("sample = 0.1")
    taken = [number for number in range(5000) if chosen(with_id(number))]
    assert 420 < len(taken) < 580
    assert taken == [number for number in range(5000) if elsewhere(with_id(number))]
    assert not is_sampled("0" * 32, 0.1)
    assert is_sampled("0" * 32, 0.9)


def test_a_larger_sample_holds_the_smaller_one() -> None:
    small, large = choice("sample = 1%"), choice("sample = 20%")
    assert all(large(with_id(number)) for number in range(2000) if small(with_id(number)))


def rare(**attributes: Any) -> bool:
    """Whether a log that takes next to nothing takes an exchange."""
    return choice("sample = 0.001%", "slow = 2s")(with_id(1, **attributes))


def test_what_failed_is_in_every_sample() -> None:
    assert not rare()
    assert rare(status=500)
    assert rare(reason=errors.READ_TIMEOUT)


def test_what_clients_do_wrong_is_sampled() -> None:
    assert not rare(status=404)
    assert not rare(status=499, reason=errors.CLIENT_RESET)


def test_what_was_slow_is_in_every_sample() -> None:
    assert rare(request_time=2.0)
    assert not rare(request_time=1.9)


def test_a_long_websocket_is_not_slow_unless_it_opened_slowly() -> None:
    times = {"connect_time": 0.0, "header_time": 0.1, "response_time": None}
    assert not rare(request_time=3600.0, attempt=Things(**times, upgrade_time=0.1))
    assert rare(request_time=3600.0, attempt=Things(**times, upgrade_time=2.1))


def connection(**attributes: Any) -> Any:
    """A connection of a stream that has ended."""
    usual = {"address": "192.0.2.7", "client_port": 40000, "duration": 5.0, "connect_time": 0.1, "tries_made": 1, "reason": None}
    return Things(**{**usual, "listener_name": "db", "server_name": "", "bytes_sent": 1, "bytes_received": 2, **attributes})


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ("session_time >= 5s", True),
        ("tries > 1", False),
        ("{stream} = db", True),
        ("{stream} != db", False),
        ("{server_name}", False),
        ("{client} ~ ^192", True),
        ("client 10.0.0.0/8", False),
        ("connect_time < 50ms", False),
    ],
)
def test_streams_have_conditions_of_their_own(line: str, holds: bool) -> None:
    assert choice("of = streams", f"when = {line}")(connection()) is holds


def test_streams_are_sampled_with_all_that_failed_or_were_slow_to_reach_a_peer() -> None:
    chosen = choice("of = streams", "sample = 0.001%")
    assert not chosen(connection(duration=3600.0))
    assert chosen(connection(connect_time=1.5))
    assert chosen(connection(reason=errors.NO_PEER))
    assert not chosen(connection(reason=errors.CLIENT_RESET, connect_time=None))
    tenth = choice("of = streams", "sample = 10%")
    assert 100 < sum(tenth(connection(client_port=port)) for port in range(2000)) < 300
