"""``[log NAME]`` and ``[tracing]``: what is written down of each exchange."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twistedproxy.addresses import Tcp
from twistedproxy.settings.knob import knob
from twistedproxy.settings.routes import RouteCondition


@dataclass(frozen=True)
class SyslogTarget:
    """
    Where a syslog server listens.

    :ivar transport: ``udp``, ``tcp`` or ``tls`` to *host* and *port*; ``unix`` to the datagram socket *path*
    """

    transport: str
    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return f"syslog:{self.transport}:{self.path or Tcp(self.host, self.port)}"


#: How numbers are compared.
COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Measure:
    """
    One line of ``when`` that compares a number: ``status >= 500``, ``request_time > 1s``.

    :ivar text: the number as it was written
    """

    name: str
    operator: str
    value: float
    text: str

    def __str__(self) -> str:
        return f"{self.name} {self.operator} {self.text}"


#: Facilities of RFC 5424 §6.2.1 that a program other than a part of the system may use, by their numbers.
SYSLOG_FACILITIES: Final = {
    "user": 1,
    "daemon": 3,
    "auth": 4,
    "authpriv": 10,
    "ftp": 11,
    **{f"local{number}": 16 + number for number in range(8)},
}
#: Severities of RFC 5424 §6.2.1 that are for lines of a log.
SYSLOG_SEVERITIES: Final = {"err": 3, "warning": 4, "notice": 5, "info": 6, "debug": 7}


@dataclass(frozen=True)
class LogSettings:
    """
    A log of exchanges, or of the connections of streams.

    A *format* that is a template was checked against ``templates.LOG_NAMES``, or ``templates.STREAM_NAMES``.
    """

    name: str
    file: str | SyslogTarget = knob(
        "log_file",
        "where lines are appended; - for standard output; "
        "syslog:udp:HOST:PORT, syslog:tcp:…, syslog:tls:… or syslog:unix:PATH for a syslog server",
        required=True,
    )
    format: str = knob("log_format", "combined, json, or a template", default="combined")
    of: str = knob(
        "choice",
        "what is logged: requests of HTTP, or the connections of streams, each at its end",
        default="requests",
        choices=("requests", "streams"),
    )
    when: tuple[RouteCondition | Measure, ...] = knob(
        "log_conditions",
        "what is logged must be like that, each line: status >= 500, request_time > 1s, {cache_status} = MISS, "
        "or as in match of a route; all without",
        default=(),
    )
    sample: float = knob(
        "ratio", "the share of requests that is logged, picked by {request_id}; failed and slow ones always are", default=1.0
    )
    slow: float = knob("duration", "with sample: what takes at least so long is always logged", default=1.0, minimum=0.001)
    facility: str = knob("choice", "of syslog", default="local7", choices=tuple(SYSLOG_FACILITIES))
    severity: str = knob("choice", "of syslog", default="info", choices=tuple(SYSLOG_SEVERITIES))
    tag: str = knob("syslog_word", "how syslog calls the program (APP-NAME)", default="twistedproxy")
    hostname: str | None = knob("syslog_word", "how syslog calls this machine; its host name without")
    ca: str | None = knob(
        "authorities", "with syslog:tls: authorities (PEM) that the server's certificate must come from; the system's without"
    )


@dataclass(frozen=True)
class TracingSettings:
    """
    Spans of requests and of their attempts, for OpenTelemetry; needs the extra ``otel``.

    Routes then pass traces on to peers, as by ``traceparent = trusted``, unless they say something else.
    """

    endpoint: str = knob(
        "otlp_url",
        "where spans go by OTLP over HTTP, for instance http://127.0.0.1:4318; /v1/traces without a path",
        required=True,
    )
    service_name: str = knob("text", "how the service is called there", default="twistedproxy")
    sample: float = knob("ratio", "the share of traces that is seen, picked by their ids", default=1.0)
    sampler: str = knob(
        "choice",
        "parent: of traces that trusted proxies have begun, they decide what is seen; ratio: sample decides of all",
        default="parent",
        choices=("parent", "ratio"),
    )
    resource: tuple[tuple[str, str], ...] = knob(
        "attributes",
        "NAME VALUE, one a line: what else is said of the service, for instance deployment.environment.name prod",
        default=(),
    )
    headers: tuple[tuple[str, str], ...] = knob("otlp_headers", "NAME VALUE, one a line: fields for the collector", default=())
    ca: str | None = knob("authorities", "authorities (PEM) that the collector's certificate must come from; the usual without")
    compression: str = knob("choice", "of what is sent", default="gzip", choices=("none", "gzip"))
    timeout: float = knob("duration", "the collector must have taken what is sent within", default=5.0, minimum=0.1, maximum=60)
    interval: float = knob("duration", "spans are sent at least so often", default=2.0, minimum=0.1, maximum=60)
    queue: int = knob(
        "integer", "spans that wait at most; more are lost, and counted", default=4096, minimum=512, maximum=1_000_000
    )
