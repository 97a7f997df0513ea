"""What contradicts itself in ``[log NAME]``, between logs and routes, or has no effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twistedproxy.config.log_values import NAMES
from twistedproxy.config.problems import Problem
from twistedproxy.config.reader import Section
from twistedproxy.config.sections import Draft
from twistedproxy.settings.logs import LogSettings, Measure, SyslogTarget
from twistedproxy.templates import LOG_NAMES, STREAM_NAMES, Template

#: What a route says in ``log`` that is in no log.
OFF: Final = "off"
_ONLY_WITH_SYSLOG: Final = ("facility", "severity", "tag", "hostname")


def check(draft: Draft) -> Iterator[Problem]:
    """What contradicts itself in the logs of *draft*, and between them and routes."""
    of_streams = set()
    for each in draft.built["log"]:
        if each.section.name == OFF:
            yield each.section.problem("", "log = off says that a route is in no log", "give it another name")
        if each.value is not None:
            yield from _names(each.section, each.value)
            if each.value.of == "streams":
                of_streams.add(each.value.name)
    for each in (*draft.built["defaults"], *draft.built["route"]):
        names = each.value.log if each.value is not None else ()
        if OFF in names and len(names) > 1:
            yield each.section.problem("log", "is off and not off", "write off alone, or names of [log …] alone")
        for name in names if each.section.gives("log") else ():
            if name in of_streams:
                yield each.section.problem("log", f"[log {name}] is one of streams", "name a log with of = requests")


def _names(section: Section, log: LogSettings) -> Iterator[Problem]:
    """Names that belong to what is not logged here."""
    known, other = (STREAM_NAMES, "requests") if log.of == "streams" else (LOG_NAMES, "streams")
    if log.format not in ("combined", "json"):
        for name in _unknown(Template.parse(log.format, NAMES), known):
            yield section.problem(
                "format", f"{{{name}}} is a name of {other}, and this is a log of {log.of}", "take other names, or change of"
            )
    for number, line in enumerate(log.when):
        if isinstance(line, Measure):
            wrong = [] if line.name in known else [line.name]
        elif line.subject == "value":
            wrong = [f"{{{name}}}" for name in _unknown(Template.parse(line.name, NAMES), known)]
        else:
            wrong = [line.subject] if log.of == "streams" and line.subject != "client" else []
        for each in wrong:
            place = section.entries["when"].items[number].line
            yield section.problem(
                "when", f"{each} is of {other}, and this is a log of {log.of}", "remove the line, or change of", place
            )


def _unknown(template: Template, known: frozenset[str]) -> list[str]:
    stems = [(name, name.partition(".")[0] + ".") for name in template.names]
    return [name for name, stem in stems if name not in known and stem not in known]


def warnings(draft: Draft) -> Iterator[Problem]:
    """What has no effect."""
    for each in draft.built["log"]:
        section, log = each.section, each.value
        for key in _ONLY_WITH_SYSLOG:
            if section.gives(key) and not isinstance(log.file, SyslogTarget):
                yield section.problem(
                    key, "has no effect: the lines go to no syslog server", "write file = syslog:…, or remove the line"
                )
        if section.gives("ca") and not (isinstance(log.file, SyslogTarget) and log.file.transport == "tls"):
            yield section.problem("ca", "has no effect without TLS", "write file = syslog:tls:HOST:PORT, or remove the line")
        if section.gives("slow") and log.sample == 1:
            yield section.problem("slow", "has no effect: everything is logged", "add sample = 10%, or remove the line")
    routes = draft.values("route")
    if routes and all(route.log for route in routes):
        used = {name for route in routes for name in route.log}
        for each in draft.built["log"]:
            if each.value.of == "requests" and each.value.name not in used:
                yield each.section.problem(
                    "",
                    "no route names it: only requests without a route are logged here",
                    "add it to log = … of a route, or remove it",
                )
