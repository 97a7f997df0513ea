"""What keys can type that may not program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.admin.site import Log, live_site
from tests.admin.test_interpreter import Page
from twistedproxy.admin.live import Live
from twistedproxy.admin.objects import OBJECTS, PLAIN
from twistedproxy.admin.roles import Role, Who
from twistedproxy.admin.verb import Listing
from twistedproxy.admin.verbs import Verbs
from twistedproxy.balance.peer import PeerState


def typed(*lines: str, role: Role = Role.OPERATE, live: Live | None = None) -> tuple[Page, Live]:
    """What *lines* show to a key with *role*."""
    live = live or live_site()
    page = Page()
    shell = Verbs(live, Who("carol", role, "SHA256:x"), lambda: None).interpreter(page)
    for line in lines:
        shell.push(line)
    if shell.buffer:
        shell.push("")
    return page, live


def test_verbs_are_said_as_ever() -> None:
    page, live = typed("drain('app', 'app1:3000', minutes=10)", "set_weight('app', 'app2:3000', 5)", "pools(); 'text'; -5")
    assert page.complaints == ""
    assert live.pools["app"].peers[0].state is PeerState.DRAINING
    assert "app2:3000 has weight 5" in page.text
    assert page.text.endswith("'text'\n-5\n")


def test_objects_show_their_surface_and_do_what_it_says() -> None:
    page, live = typed(
        "pool('app').peer('app1:3000').weight",
        "pool('app').up",
        "peers('app')[0].state",
        "peers('app')['spare:3000'].backup",
        "pool('app').peers[-1].name",
        "route('/api/').to",
        "route('/api/').p95",
        "cache('static').hits",
        "listener('https').open",
        "connections()[0].client",
        "pool('app').peer('app2:3000').drain(minutes=1)",
        "help(drain)",
        "drain",
    )
    assert page.complaints == ""
    assert page.text.splitlines()[:9] == ["3", "3", "'up'", "True", "'spare:3000'", "'pool api'", "30", "3", "'192.0.2.7:40001'"]
    assert live.pools["app"].peers[1].state is PeerState.DRAINING
    assert "drain(pool, peer, minutes=None, seconds=None): give a peer no new requests" in page.text


def test_a_dry_run_is_a_block() -> None:
    page, live = typed("with dry_run():", "    drain('app', 'app1:3000')", "    kill(1)", "")
    assert page.text.startswith("would: app1:3000, which is up, takes no new requests")
    assert live.pools["app"].peers[0].state is PeerState.UP
    page, _ = typed("with dry_run(): remove_peer('app', 'app1:3000')", "")
    assert page.text == "would: app1:3000 leaves pool app; what runs there finishes\n"


def test_who_observes_changes_nothing() -> None:
    page, live = typed("drain('app', 'app1:3000')", "pool('app').peer('app1:3000').drain()", "kill(1)", role=Role.OBSERVE)
    assert page.text == ""
    assert "error: drain takes a key with the role operate\n" in page.complaints
    assert "error: drain takes a key that may do more\n" in page.complaints
    assert not live.journal.changes
    assert live.pools["app"].peers[0].state is PeerState.UP
    page, _ = typed("help()", "peers()", "history()", role=Role.OBSERVE)
    assert "This key has the role observe" in page.text
    assert "\ndrain(" not in page.text


def test_leaving() -> None:
    page = Page()
    shell = Verbs(live_site(), Who("carol", Role.OBSERVE), lambda: None).interpreter(page)
    shell.push("exit()")
    assert shell.ended


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("drian('app', 'x')", "there is no verb 'drian'; did you mean drain?"),
        ("pool('app').pears", "there is no 'pears' here; did you mean peers?"),
        ("pool('app').pear('x')", "there is nothing called 'pear' to be done here; did you mean peer?"),
        ("pool('app').peer", "peer is something to be done: write pool('app').peer(…)"),
        ("peers('app')[9]", "there are 3 of them, counted from 0"),
        ("drain('app')", "missing a required argument: 'peer'"),
        ("record(1, '/etc/passwd')", "record takes a key with the role program"),
        ("live", "there is no verb 'live'"),
        ("kill([1])", "there is no connection"),
        ("cache_why(1, 2)", "error: "),
        ("add_peer('app', 'endpoint:tcp:host=x:port=1')", "takes a key with the role program"),
    ],
)
def test_mistakes_are_told_with_a_remedy(line: str, said: str) -> None:
    page, live = typed(line)
    assert said in page.complaints
    assert page.text == ""
    assert not live.journal.changes


#: Ways out that have worked somewhere.
ESCAPES = (
    "__import__('os').system('id')",
    "import os",
    "from os import system",
    "().__class__.__bases__[0].__subclasses__()",
    "''.__class__",
    "'{0.__class__}'.format(pools)",
    "'%s' % pools()",
    "f'{pools()}'",
    "f'{pools.__globals__}'",
    "pools.__globals__",
    "pools.__class__",
    "pools._function",
    "pools._function.__self__.live",
    "drain._function.__func__.__globals__['__builtins__']",
    "pools().__class__",
    "pools()._items",
    "pools()._row.__globals__",
    "pools().__getitem__(0)",
    "pools()[0]._pool",
    "pool('app')._objects",
    "pool('app')._objects.live",
    "pool('app').__init__",
    "pool('app').__dict__",
    "pool('app').__class__.__mro__",
    "pool('app')._do('record', 1, 'x')",
    "pool('app')._pool.settings",
    "pool('app').peer('app1:3000')._peer",
    "pool('app').peer.__func__",
    "pool('app').peer('app1:3000').checks",
    "pool('app').peer_names()",
    "pool('app').name.__class__",
    "pool('app').name.format",
    "pool('app').peers[0].__class__",
    "route('/').to.__class__",
    "connections()[0]._connection",
    "connections()[0:2]",
    "peers('app')[pool('app').up]",
    "[p for p in pools()]",
    "{p: 1 for p in pools()}",
    "(p for p in pools())",
    "{**pools}",
    "[*pools()]",
    "print(pools)",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd')",
    "getattr(pools, '__class__')",
    "vars()",
    "globals()",
    "lambda: 1",
    "(lambda: pools)()",
    "def f(): pass",
    "class C: pass",
    "x = 1",
    "x: int = 1",
    "(x := 1)",
    "del pools",
    "global pools",
    "assert False",
    "raise SystemExit",
    "while True: pass",
    "for p in pools(): p",
    "if True: pools()",
    "try:\n  pools()\nfinally:\n  pools()",
    "with pools(): 1",
    "with dry_run() as x: x",
    "with dry_run(), dry_run(): 1",
    "with dry_run(): import os",
    "with dry_run.__class__(): 1",
    "async def f(): pass",
    "await pools()",
    "yield pools()",
    "pools() or pools()",
    "1 if pools() else 2",
    "1 + 1",
    "9 ** 9 ** 9",
    "'x' * 1000000000",
    "1 == 1",
    "not 1",
    "-pools()",
    "-'x'",
    "~1",
    "1j",
    "...",
    "`id`",
    "drain(*['app', 'app1:3000'])",
    "drain(**{'pool': 'app'})",
    "drain('app', peers('app')[0])",
    "drain(pools, pools)",
    "help(help.__class__)",
    "help(lambda: 1)",
    "help.__call__('x')",
    "_",
    "__name__",
    "__builtins__",
    "Exception",
    "object",
    "type(1)",
    "str(1)",
    "dry_run().gen",
    "dry_run().__enter__()",
    "undo.__wrapped__",
    "pools()['app'].__reduce__()",
    "match pools():\n  case x: x",
    "type X = int",
    "@pools\ndef f(): pass",
    "print",
    "breakpoint()",
    "input()",
    "\u0435val('1')",
)


@pytest.mark.parametrize("line", ESCAPES)
def test_there_is_no_way_out(line: str) -> None:
    live = live_site()
    page = Page()
    shell = Verbs(live, Who("carol", Role.OPERATE), lambda: None).interpreter(page)
    shell.run(line)
    assert page.complaints if line != "pool('app').peer('app1:3000').checks" else "has no checks" in page.complaints
    assert page.text == ""
    assert not live.journal.changes
    assert not shell.ended
    assert "Traceback" not in page.complaints


FRAGMENTS = st.sampled_from(
    [
        "pools()",
        "pool('app')",
        "peers('app')",
        ".peer",
        "('app1:3000')",
        ".",
        "__class__",
        "_objects",
        "[0]",
        "['app']",
        "name",
        "(",
        ")",
        ",",
        "'x'",
        "drain",
        "help",
        "*",
        "**",
        "=",
        ":",
        "f''",
        "lambda",
        "for",
        "x",
        "0",
        ".peers",
        ".checks",
        "()",
    ]
)


@given(st.lists(FRAGMENTS, max_size=9))
def test_whatever_is_typed_shows_plain_things_only(parts: list[str]) -> None:
    shown: list[Any] = []
    shell: Any = Verbs(live_site(), Who("carol", Role.OBSERVE), lambda: None).interpreter(Page())
    shell.display = shown.append
    shell.run("".join(parts))
    for value in shown:
        assert type(value) in PLAIN or type(value) in OBJECTS or isinstance(value, Listing | str | tuple)


def test_the_surfaces_lead_to_plain_things_and_to_surfaces() -> None:
    live = live_site()
    objects: Any = Verbs(live, "carol", lambda: None)._objects
    things = [objects.pool("app"), objects.pool("app").peer("app1:3000"), objects.route("/"), objects.cache("static")]
    things += [objects.listener("https"), objects.connection(1)]
    assert {type(thing) for thing in things} == set(OBJECTS)
    for thing in things:
        assert not any(name.startswith("_") for name in thing.values | thing.actions)
        assert all(callable(getattr(thing, name)) for name in thing.actions)
        assert sorted(thing.values | thing.actions) == dir(thing)
        for name in thing.values - {"checks"}:
            value = getattr(thing, name)
            assert type(value) in PLAIN or isinstance(value, Listing), name


def test_objects_print_their_state() -> None:
    live = live_site()
    verbs = Verbs(live, "carol", lambda: None).namespace()
    shown = repr(verbs["pool"]("app")).splitlines()
    assert shown[0] == "pool app: 3 of 3 up, round_robin, 0 running, 0 attempts, 0 failed, 0 retries"
    assert shown[2].startswith("app1:3000   up")
    assert repr(verbs["pool"]("app").peer("spare:3000")).splitlines()[:2] == [
        "peer      spare:3000 of pool app, from site.ini, backup",
        "state     up for 0.0ms",
    ]
    assert repr(verbs["route"]("/api/")).splitlines() == [
        "route      /api/",
        "leads to   pool api",
        "cache      static",
        "requests   0; 0 failed",
        "durations  p50 - p95 - p99 -",
    ]
    assert repr(verbs["listener"]("https")).startswith("listener https on 0.0.0.0:443: 3 open of 4,096, 12 accepted")
    assert repr(verbs["connection"](2)).splitlines()[1].startswith("2       192.0.2.7:40002")
    found = verbs["pool"]("app").peer("app1:3000")
    verbs["remove_peer"]("app", "app1:3000")
    page, _ = typed("1", live=live)
    assert page.text == "1\n"
    with pytest.raises(Exception, match="there is no peer 'app1:3000' of pool 'app' any more"):
        repr(found)


def test_commands_stand_in_the_audit_log_but_not_those_of_observers(tmp_path: Path) -> None:
    live = live_site()
    path = tmp_path / "audit.log"
    live.journal.audit.path = str(path)
    typed("peers('app')", role=Role.OBSERVE, live=live)
    assert not path.exists()
    typed("drain('app', 'x')", "drain('app', 'app1:3000')", "drain(", live=live)
    with Log():
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["command"], line["result"].split(",")[0]) for line in lines] == [
        ("drain('app', 'x')", "error: there is no peer of pool 'app' 'x'; known: 'app1:3000'"),
        ("drain('app', 'app1:3000')", "app1:3000 is draining"),
        ("drain('app', 'app1:3000')", "ok"),
    ]
    assert {(line["who"], line["key"], line["role"]) for line in lines} == {("carol", "SHA256:x", "operate")}
