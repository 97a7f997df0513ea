"""What ``[log NAME]`` may say, and what is said about the rest."""

from __future__ import annotations

import pytest

from tests.config.sites import SMALL, errors, loaded, warnings
from twistedproxy.config.log_values import condition, log_file
from twistedproxy.config.scalars import Context, ratio, write_ratio
from twistedproxy.settings.logs import Measure, SyslogTarget

HERE = Context("/srv", {})
LOG = "[log a]\nfile = a.log\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-", "-"),
        ("a.log", "/srv/a.log"),
        ("syslog:udp:127.0.0.1:514", SyslogTarget("udp", "127.0.0.1", 514)),
        ("syslog:tcp:Logs.internal:601", SyslogTarget("tcp", "logs.internal", 601)),
        ("syslog:tls:[::1]:6514", SyslogTarget("tls", "::1", 6514)),
        ("syslog:unix:/dev/log", SyslogTarget("unix", path="/dev/log")),
    ],
)
def test_lines_go_to_a_file_or_to_a_syslog_server(text: str, value: str | SyslogTarget) -> None:
    assert log_file(text, HERE) == value
    assert log_file(str(value), HERE) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("status >= 500", Measure("status", ">=", 500, "500")),
        ("status!=404", Measure("status", "!=", 404, "404")),
        ("request_time > 250ms", Measure("request_time", ">", 0.25, "250ms")),
        ("bytes_sent <= 1m", Measure("bytes_sent", "<=", 1024 * 1024, "1m")),
    ],
)
def test_numbers_are_compared(text: str, value: Measure) -> None:
    assert condition(text, HERE) == value
    assert condition(str(value), HERE) == value


@pytest.mark.parametrize("text", ["{status} = 404", "not {route} = /health", "method POST", "header X-Debug = 1", "{error}"])
def test_other_conditions_are_those_of_routes_with_the_names_of_logs(text: str) -> None:
    assert condition(str(condition(text, HERE)), HERE) == condition(text, HERE)


def test_shares_are_percents_or_fractions() -> None:
    assert [ratio(text, HERE) for text in ("100%", "1", "10%", "0.1", "0.5%", "0.001%")] == [1, 1, 0.1, 0.1, 0.005, 0.00001]
    assert [write_ratio(value) for value in (1.0, 0.1, 0.005, 0.00001)] == ["100%", "10%", "0.5%", "0.001%"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("file = syslog:smoke:here", "'smoke' is not a way to a syslog server; known: tcp, tls, udp, unix"),
        ("file = syslog:tcp", "'syslog:tcp' says not where; write for instance syslog:tcp:logs.internal:601"),
        ("file = syslog:udp:127.0.0.1", "has no port; write for instance syslog:udp:127.0.0.1:514"),
        ("when = status >> 500", "'>>' does not compare numbers"),
        ("when = status", "'status' compares nothing; write for instance status >= 500"),
        ("when = not status = 404", "compares nothing"),
        ("when = route = /api/", "route is not a number; write {route} = /api/"),
        ("when = statsu = 404", "'statsu' is nothing that can be compared; did you mean status?"),
        ("when = request_time > 1", "'1' is not a duration; write 1s for seconds"),
        ("when = {nonsense} = 1", "{nonsense} is not a name of templates"),
        ("when = session_time > 1s", "session_time is of streams, and this is a log of requests"),
        ("when = {stream} = db", "{stream} is of streams, and this is a log of requests"),
        ("sample = 0", "'0' is not a share; write 100% or less"),
        ("sample = 200%", "'200%' is not a share"),
        ("tag = two words", "'two words' is not a word of syslog"),
        ("facility = kern", "'kern' is not known here"),
        ("hostname = é", "'é' is not a word of syslog"),
    ],
)
def test_mistakes_are_told_with_a_remedy(line: str, said: str) -> None:
    text = f"{SMALL}[log a]\n{line}\n" if line.startswith("file") else f"{SMALL}{LOG}{line}\n"
    (only,) = errors(text)
    assert said in only


@pytest.mark.parametrize("line", ["method GET", "status = 200", "{uri} ~ x", "header X"])
def test_streams_have_no_requests(line: str) -> None:
    (only,) = errors(f"{SMALL}{LOG}of = streams\nwhen = {line}\n")
    assert "is of requests, and this is a log of streams; remove the line, or change of" in only


@pytest.mark.parametrize(
    ("route", "sections", "said"),
    [
        ("log = b", LOG, "[route /] log: there is no [log b]; known: a"),
        ("log = a off", LOG, "[route /] log: is off and not off; write off alone, or names of [log …] alone"),
        ("log = a", f"{LOG}of = streams\n", "[route /] log: [log a] is one of streams; name a log with of = requests"),
        ("", "[log off]\nfile = -\n", "[log off]: log = off says that a route is in no log; give it another name"),
    ],
)
def test_routes_name_logs_of_requests(route: str, sections: str, said: str) -> None:
    (only,) = errors(f"{SMALL.rstrip()}\n{route}\n{sections}")
    assert only.partition(" ")[2] == said


def test_the_second_line_of_when_is_named_by_its_own_place() -> None:
    (only,) = errors(f"{SMALL}{LOG}when =\n    status >= 500\n    tries > 1\n")
    assert only.startswith("12 [log a] when: tries is of streams")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("tag = x", "tag: has no effect: the lines go to no syslog server; write file = syslog:…, or remove the line"),
        ("slow = 1s", "slow: has no effect: everything is logged; add sample = 10%, or remove the line"),
    ],
)
def test_what_has_no_effect_is_told(lines: str, said: str) -> None:
    (only,) = warnings(f"{SMALL}{LOG}{lines}\n")
    assert only.endswith(said)


def test_a_log_that_no_route_names_is_told_of_where_all_name_others() -> None:
    (only,) = warnings(f"{SMALL.rstrip()}\nlog = a\n{LOG}[log b]\nfile = -\n")
    assert "[log b]: no route names it: only requests without a route are logged here" in only


def test_routes_inherit_their_logs() -> None:
    site = loaded(f"{SMALL}[defaults]\nlog = a\n[route /b]\npool = app\nlog = off\n[route /c]\npool = app\nlog =\n{LOG}")
    assert [route.log for route in site.settings.routes] == [("a",), ("off",), ()]
