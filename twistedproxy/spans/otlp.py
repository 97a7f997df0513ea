"""
Spans by OpenTelemetry's SDK, to a collector by OTLP over HTTP.

The only module that needs the extra ``otel``; it is imported where there is a ``[tracing]``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, set_span_in_context

from twistedproxy.settings.logs import TracingSettings
from twistedproxy.spans.records import SpanRecord
from twistedproxy.version import VERSION

_KINDS: Final = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}
_COMPRESSIONS: Final = {"none": Compression.NoCompression, "gzip": Compression.Gzip}
#: By which the exporter says why it has failed, and nothing else.
_EXPORTER_LOG: Final = logging.getLogger(OTLPSpanExporter.__module__)


class OtlpSender:
    """
    Makes spans of records and exports them; a :class:`twistedproxy.spans.export.Sender`.

    :param exporter: None: one by OTLP over HTTP, as *settings* say
    """

    def __init__(self, settings: TracingSettings, exporter: SpanExporter | None = None) -> None:
        resource = Resource.create({**dict(settings.resource), "service.name": settings.service_name})
        self._ids = _Ids()
        self._made: list[ReadableSpan] = []
        provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        provider.add_span_processor(_Collecting(self._made))
        self._tracer = provider.get_tracer("twistedproxy", VERSION)
        self._said = _Said()
        if exporter is None:
            _EXPORTER_LOG.handlers[:] = [self._said]
            _EXPORTER_LOG.propagate = False
            exporter = OTLPSpanExporter(
                endpoint=settings.endpoint,
                certificate_file=settings.ca,
                headers=dict(settings.headers),
                timeout=settings.timeout,
                compression=_COMPRESSIONS[settings.compression],
            )
        self._exporter = exporter

    def send(self, records: Sequence[SpanRecord]) -> str:
        """Export *records*; empty when they were taken, else why not.  Blocks."""
        for record in records:
            self._make(record)
        spans, self._made[:] = list(self._made), []
        self._said.last = ""
        if self._exporter.export(spans) is SpanExportResult.SUCCESS:
            return ""
        return self._said.last or "the collector did not take them"

    def _make(self, record: SpanRecord) -> None:
        trace = self._ids.trace = int(record.trace, 16)
        self._ids.span = int(record.span, 16)
        context = Context()
        if record.parent:
            parent = SpanContext(trace, int(record.parent, 16), record.remote, TraceFlags(TraceFlags.SAMPLED))
            context = set_span_in_context(NonRecordingSpan(parent), context)
        span = self._tracer.start_span(
            record.name, context, _KINDS[record.kind], record.attributes, start_time=_nanoseconds(record.began)
        )
        for name, at in record.events:
            span.add_event(name, timestamp=_nanoseconds(at))
        if record.failed is not None:
            span.set_status(Status(StatusCode.ERROR, record.failed or None))
        span.end(_nanoseconds(record.ended))

    def stop(self) -> None:
        """Close the exporter."""
        self._exporter.shutdown()


class _Ids(IdGenerator):
    """Ids that are known beforehand: peers were told them."""

    trace = span = 0

    def generate_span_id(self) -> int:
        return self.span

    def generate_trace_id(self) -> int:
        return self.trace


class _Collecting(SpanProcessor):
    """Puts spans that have ended into a list."""

    def __init__(self, made: list[ReadableSpan]) -> None:
        self._made = made

    def on_end(self, span: ReadableSpan) -> None:
        self._made.append(span)


class _Said(logging.Handler):
    """Keeps the latest message."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
