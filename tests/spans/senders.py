"""Where the spans of tests go: OpenTelemetry's own exporter in memory, or a collector that fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from twisted.internet.defer import Deferred, succeed

from tests.config.sites import SMALL, loaded
from tests.kit.play import Play
from twistedproxy.settings.logs import TracingSettings
from twistedproxy.spans.export import Spans
from twistedproxy.spans.otlp import OtlpSender
from twistedproxy.spans.records import SpanRecord


def tracing(*lines: str) -> TracingSettings:
    """What ``[tracing]`` with these lines says."""
    settings = loaded("\n".join((SMALL, "[tracing]", "endpoint = http://127.0.0.1:4318", *lines, ""))).settings.tracing
    assert settings is not None
    return settings


class Collected:
    """The spans of a play, as OpenTelemetry has them."""

    def __init__(self, play: Play, *lines: str) -> None:
        self._exporter = InMemorySpanExporter()
        settings = tracing(*lines)
        self._spans = Spans(settings, OtlpSender(settings, self._exporter), at_once, play.clock)
        play.site.tracing = self._spans.sampling
        play.site.finished.append(self._spans.exchange_finished)

    def spans(self) -> list[ReadableSpan]:
        """All so far."""
        self._spans._send()
        return list(self._exporter.get_finished_spans())


def at_once(work: Callable[[], Any]) -> Deferred[Any]:
    """As a thread that takes no time."""
    return succeed(work())


class HandSender:
    """A collector that answers when it is told to."""

    def __init__(self) -> None:
        self.batches: list[Sequence[SpanRecord]] = []
        self.running: list[Deferred[Any]] = []
        self.stopped = False

    def in_thread(self, work: Callable[[], Any]) -> Deferred[Any]:
        """A thread that takes its time."""
        work()
        self.running.append(Deferred())
        return self.running[-1]

    def send(self, records: Sequence[SpanRecord]) -> str:
        self.batches.append(records)
        return ""

    def answers(self, problem: str = "") -> None:
        """The batch that runs has ended."""
        self.running.pop(0).callback(problem)

    def stop(self) -> None:
        self.stopped = True
