"""Tables that make one word of another, and their files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred

from tests.kit.clock import HandClock
from tests.kit.play import Play
from tests.scenes.heads import answered_alone
from twistedproxy.forward.map_files import INTERVAL, MapFiles
from twistedproxy.forward.map_lines import parse_line, write_line

PLANS = r"""
[map plan]
source = {header.x-key}
values =
    abc gold
    ab* silver
    a* "tin plate"
    ~ ^x-(\d+)$ number-\1
    "a key with blanks" blanks
    "ends with *" star
    é accent
    * none
[route /]
redirect = 302 /{map.plan}
"""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("abc", "/gold"),
        ("abcd", "/silver"),
        ("axe", "/tin%20plate"),
        ("x-42", "/number-42"),
        ("a key with blanks", "/blanks"),
        ("ends with *", "/star"),
        ("\xc3\xa9", "/accent"),
        ("other", "/none"),
    ],
)
def test_a_word_becomes_another(key: str, value: str) -> None:
    assert answered_alone(PLANS, f"GET / HTTP/1.1\nHost: a\nX-Key: {key}").fields["location"] == value


def test_what_is_absent_is_looked_up_as_nothing() -> None:
    site = PLANS.replace("    abc gold\n", '    abc gold\n    "" anonymous\n')
    assert answered_alone(site, "GET / HTTP/1.1\nHost: a").fields["location"] == "/anonymous"


def test_without_a_row_for_anything_else_nothing_comes_out() -> None:
    site = "[pool app]\nservers = 10.0.0.1:80\n[map m]\nsource = {host}\nvalues = a b\n[route /]\npool = app\n"
    with Play(site + "request_headers = set X-M {map.m}\n") as play:
        client = play.client()
        for host, expected in (("a", "b"), ("c", None)):
            client.says(f"GET / HTTP/1.1\nHost: {host}")
            origin = play.same_origin()
            assert origin.hears_message().fields.get("x-m") == expected
            origin.says("HTTP/1.1 204 No Content")
            client.hears("HTTP/1.1 204 No Content")


@pytest.mark.parametrize(
    "line",
    ["a b", "a* b", '"a b"* c', "* b", "~ ^a$ b", '~ "a b" "c d"', '"*" b', '"~" b', '"a*" ""', '"" b', r'"a\"b\\" c', "~a b"],
)
def test_lines_are_written_back(line: str) -> None:
    assert parse_line(write_line(parse_line(line))) == parse_line(line)


@pytest.mark.parametrize("line", ["a", "a b c", "~ a", "~ ( b", r"~ a \1", '"a"b c', 'a "b"*', '"a b'])
def test_what_is_no_line(line: str) -> None:
    with pytest.raises(ValueError, match=r"is not|in the middle"):
        parse_line(line)


# Files.


def written(path: Path, text: str, when: int) -> None:
    """*text* in the file, as of a time that no other version has."""
    path.write_text(text)
    os.utime(path, (when, when))


def at_once(function: Any) -> Deferred[Any]:
    """In the place of a thread."""
    return maybeDeferred(function)


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "table"
    written(file, "# hosts\na.example old\n\n; and no more\n", 1)
    site = f"[map m]\nsource = {{host}}\nvalues = b.example inline\nfile = {file}\n[route /]\nredirect = 302 /{{map.m}}\n"
    with Play(site) as play:
        clock = HandClock()
        watching = MapFiles(list(play.site.maps.values()), clock, at_once)
        watching.startService()
        client = play.client()

        def place(host: str) -> str:
            client.says(f"GET / HTTP/1.1\nHost: {host}")
            return client.hears_message().fields["location"]

        assert (place("a.example"), place("b.example")) == ("/old", "/inline")
        written(file, "a.example new\nb.example later\n", 2)
        assert place("a.example") == "/old"
        clock.advance(INTERVAL)
        assert (place("a.example"), place("b.example")) == ("/new", "/inline")
        # A mistake, or a file that is gone for a moment, changes nothing.
        written(file, "a.example\n", 3)
        clock.advance(INTERVAL)
        file.unlink()
        clock.advance(INTERVAL)
        assert place("a.example") == "/new"
        written(file, "a.example again\n", 4)
        clock.advance(INTERVAL)
        assert place("a.example") == "/again"
        watching.stopService()
        assert not clock.getDelayedCalls()


def test_a_condition_on_a_table_is_asked_each_time(tmp_path: Path) -> None:
    file = tmp_path / "table"
    written(file, "a.example on\n", 1)
    site = (
        f"[map m]\nsource = {{host}}\nfile = {file}\n"
        "[route /]\nredirect = 302 /no\n[route / ]\nmatch = {map.m} = on\nredirect = 302 /yes\n"
    )
    with Play(site) as play:
        client = play.client()
        table = play.site.maps["m"]
        for text, place in (("a.example on\n", "/yes"), ("a.example off\n", "/no"), ("a.example on\n", "/yes")):
            written(file, text, 2)
            table.adopt(*table.read())
            client.says("GET / HTTP/1.1\nHost: a.example")
            assert client.hears_message().fields["location"] == place
