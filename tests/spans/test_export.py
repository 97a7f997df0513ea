"""Spans on their way: batches, a collector that is slow or away, and the end."""

from __future__ import annotations

from typing import Any

from tests.admin.site import HandClock, Log, Things
from tests.logs.exchanges import exchange
from tests.spans.senders import HandSender, tracing
from twistedproxy.spans.export import BATCH, LAST, Spans


class Stage:
    """Spans for a collector that answers by hand."""

    def __init__(self, *lines: str) -> None:
        self.clock = HandClock()
        self.sender = HandSender()
        self.spans = Spans(tracing(*lines), self.sender, self.sender.in_thread, self.clock)
        self.spans.startService()

    def ends(self, number: int, **attributes: Any) -> None:
        """So many exchanges end, which had no attempts."""
        for _ in range(number):
            known = {"traceparent": f"00-{1:032x}-{1:016x}-01", "trace_parent_id": ""}
            self.spans.exchange_finished(
                exchange(
                    noted=known, attempt=None, downstream=Things(port=80, address="::1", client_port=1), detail="", **attributes
                )
            )

    def sent(self) -> list[int]:
        """How many spans each batch had."""
        return [len(batch) for batch in self.sender.batches]


def test_spans_are_sent_at_intervals() -> None:
    stage = Stage("interval = 5s")
    stage.ends(3)
    stage.clock.advance(4.9)
    assert stage.sent() == []
    stage.clock.advance(0.1)
    assert stage.sent() == [3]
    stage.sender.answers()
    assert (stage.spans.exported, stage.spans.lost, stage.spans.waiting) == (3, 0, 0)


def test_a_full_batch_does_not_wait_and_two_are_never_sent_at_once() -> None:
    stage = Stage()
    stage.ends(BATCH * 2 + 10)
    assert stage.sent() == [BATCH]
    stage.clock.pump([1] * 5)
    assert stage.sent() == [BATCH]
    stage.sender.answers()
    assert stage.sent() == [BATCH, BATCH]
    stage.sender.answers()
    stage.clock.advance(2)
    assert stage.sent() == [BATCH, BATCH, 10]


def test_a_slow_collector_costs_spans_and_no_memory() -> None:
    with Log() as told:
        stage = Stage("queue = 600")
        stage.ends(BATCH + 1000)
        assert (stage.spans.waiting, stage.spans.lost) == (600, 400)
        stage.clock.advance(2)
    assert told.lines == ["tracing: 400 spans were lost"]


def test_a_collector_that_is_away_is_told_of_once_and_what_was_lost_every_minute() -> None:
    with Log() as told:
        stage = Stage("interval = 1s")
        for _ in range(130):
            stage.ends(1)
            stage.clock.advance(1)
            stage.sender.answers("Connection refused")
        stage.ends(1)
        stage.clock.advance(1)
        stage.sender.answers()
    assert stage.spans.lost == 130
    assert stage.spans.exported == 1
    assert told.lines[0] == "tracing: spans cannot be sent to http://127.0.0.1:4318/v1/traces: Connection refused"
    assert told.lines[1:3] == ["tracing: 60 spans were lost"] * 2
    assert told.lines[3:] == ["tracing: spans are sent to http://127.0.0.1:4318/v1/traces again", "tracing: 10 spans were lost"]


def test_an_exporter_that_raises_is_a_collector_that_is_away() -> None:
    with Log() as told:
        stage = Stage("interval = 1s")
        stage.ends(1)
        stage.clock.advance(1)
        stage.sender.running.pop().errback(ZeroDivisionError("what"))
    assert stage.spans.lost == 1
    assert told.lines == ["tracing: spans cannot be sent to http://127.0.0.1:4318/v1/traces: what"]


def test_a_stop_sends_what_is_left() -> None:
    stage = Stage()
    stage.ends(BATCH + 5)
    over: list[object] = []
    stage.spans.stopService().addCallback(over.append)
    stage.sender.answers()
    assert not over
    stage.sender.answers()
    assert over and stage.sender.stopped
    assert (stage.sent(), stage.spans.exported, stage.spans.lost) == ([BATCH, 5], BATCH + 5, 0)


def test_a_stop_does_not_wait_for_a_collector_that_hangs() -> None:
    with Log() as told:
        stage = Stage()
        stage.ends(BATCH + 5)
        over: list[object] = []
        stage.spans.stopService().addCallback(over.append)
        stage.clock.advance(LAST)
        assert over and stage.sender.stopped
    assert told.lines == ["tracing: 5 spans were lost"]


def test_an_exchange_that_makes_no_span_harms_nobody() -> None:
    nothing: Any = Things()
    with Log() as told:
        stage = Stage()
        stage.spans.exchange_finished(nothing)
    assert stage.spans.lost == 1
    assert told.lines == ["tracing: a span could not be made"]
