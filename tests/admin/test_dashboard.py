"""The dashboard as browsers and programs ask for it."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import StringTransport

from tests.admin.site import HandClock, Log, live_site
from tests.admin.test_operators import Gate
from twistedproxy.addresses import Tcp
from twistedproxy.admin.dashboard.assets import assets
from twistedproxy.admin.dashboard.recorder import Recorder
from twistedproxy.admin.status_site import StatusSite, make_status_service
from twistedproxy.config.network import MAX_WEIGHT
from twistedproxy.settings.operators import StatusSettings


class Answer:
    """What was answered."""

    def __init__(self, text: str) -> None:
        head, _, self.body = text.partition("\r\n\r\n")
        line, *fields = head.split("\r\n")
        self.status = int(line.split()[1])
        self.fields = dict(field.split(": ", 1) for field in fields)

    @property
    def said(self) -> Any:
        return json.loads(self.body)


class Stage:
    """A status port where ann and bob may log in."""

    def __init__(self, directory: Path, protect: str = "changes") -> None:
        self.gate = Gate(directory)
        self.clock: HandClock = self.gate.clock
        self.live = live_site(self.clock)
        settings = StatusSettings(on=(Tcp("127.0.0.1", 8404),), users=str(self.gate.file), protect=protect)
        object.__setattr__(self.live.settings, "status", settings)
        self.recorder = Recorder(self.live, self.clock)
        service = make_status_service(settings, self.live, self.recorder, self.gate.premises, self.clock)
        self.site: Any = service._factory

    def ask(self, request: str, *fields: str, body: str = "") -> Answer:
        return Answer(self.raw(request, *fields, body=body).decode())

    def raw(self, request: str, *fields: str, body: str = "") -> bytes:
        protocol = self.site.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        length = [f"Content-Length: {len(body.encode())}"] if body else []
        lines = (f"{request} HTTP/1.1", "Host: localhost", "Connection: close", *fields, *length, "", body)
        protocol.dataReceived("\r\n".join(lines).encode())
        self.gate.threads.work()
        for call in self.clock.getDelayedCalls():
            call.cancel()
        return transport.value()

    def post(self, path: str, wish: object, *fields: str) -> Answer:
        return self.ask(f"POST {path}", "Content-Type: application/json", *fields, body=json.dumps(wish))

    def token(self) -> str:
        token: str = self.post("/login", {"name": "ann", "password": "sesame"}).said["token"]
        return f"Operator-Token: {token}"


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def closed(tmp_path: Path) -> Stage:
    return Stage(tmp_path, "everything")


DRAIN = {"verb": "drain", "pool": "app", "peer": "app1:3000"}


def test_the_page_brings_everything_along_and_asks_nobody_else(stage: Stage) -> None:
    page = stage.ask("GET /")
    assert page.fields["Content-Type"] == "text/html; charset=utf-8"
    found = assets()
    for path, (kind, content) in found.items():
        answer = stage.ask(f"GET {path.decode()}")
        assert answer.status == 200
        assert answer.fields["Content-Type"] == kind.decode()
        assert b"http://" not in content.replace(b"http://www.w3.org/", b"") and b"https://" not in content
        # It may be served under any path, and its policy forbids what stands in elements.
        for forbidden in (b'="/', b'from "/', b"innerHTML", b"insertAdjacentHTML", b"document.write", b" style=", b' onclick="'):
            assert forbidden not in content, (path, forbidden)


def test_a_weight_may_be_as_large_as_the_verb_takes() -> None:
    assert f"max: {MAX_WEIGHT}," in assets()[b"/pools.js"][1].decode()


def test_what_the_page_asks_for_has_all_that_it_shows(stage: Stage) -> None:
    stage.recorder.startService()
    for _ in range(12):
        stage.clock.advance(1)
    stage.recorder.stopService()
    told = stage.ask("GET /live.json").said
    assert told["you"] == {"name": None, "can_log_in": True}
    assert told["state"]["pools"]["app"]["available"] == 2 + 1
    assert told["state"]["routes"][0]["lately"]["requests"] == 0
    assert told["history"]["number"] == 12
    assert len(stage.ask("GET /live.json?after=10").said["history"]["fine"]["site"]["at"]) == 2
    assert len(stage.ask("GET /live.json?after=-1").said["history"]["fine"]["site"]["at"]) == 12
    assert told["failures"] == [] and told["changes"] == [] and told["causes"] == {}
    assert told["websockets"]["count"] == 0 and told["streams"]["count"] == 0
    everything = stage.ask("GET /history.json").said
    assert everything["fine"]["site"]["at"] == told["history"]["fine"]["site"]["at"]
    assert everything["failures"] == []


def test_what_is_long_is_compressed_for_those_who_can_read_that(stage: Stage) -> None:
    plain = stage.raw("GET /dashboard.js")
    packed = stage.raw("GET /dashboard.js", "Accept-Encoding: deflate, gzip, br")
    head, _, body = packed.partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head and b"Content-Encoding" not in plain
    assert gzip.decompress(body) == plain.partition(b"\r\n\r\n")[2]
    assert b"Content-Encoding" not in stage.raw("GET /ready", "Accept-Encoding: gzip")


def test_whoever_is_not_logged_in_changes_nothing(stage: Stage) -> None:
    for fields in ((), ("Operator-Token: ",), ("Operator-Token: 0123",), ("Cookie: operator=ann",)):
        assert stage.post("/change", DRAIN, *fields).status == 401
    ann = base64.b64encode(b"ann:sesame").decode()
    assert stage.post("/change", DRAIN, f"Authorization: Basic {ann}").status == 401
    assert str(stage.live.pools["app"].peer("app1:3000").state) == "up"


def test_an_operator_drains_restores_and_weighs(stage: Stage) -> None:
    token = stage.token()
    peer = stage.live.pools["app"].peer("app1:3000")
    with Log() as log:
        answer = stage.post("/change", {**DRAIN, "minutes": 10}, token)
        assert answer.status == 200
        assert answer.said["said"].startswith("app1:3000 is draining, nothing runs there; it comes back in 10m00s")
        assert str(peer.state) == "draining"
        # Nobody sees the state of before.
        assert stage.ask("GET /live.json").said["state"]["pools"]["app"]["peers"][0]["state"] == "draining"
        assert stage.post("/change", {**DRAIN, "verb": "restore"}, token).said == {"said": "app1:3000 is up"}
        answer = stage.post("/change", {**DRAIN, "verb": "set_weight", "weight": 9}, token)
        assert answer.said["said"].startswith("app1:3000 has weight 9")
    assert peer.weight == 9
    assert "shell: ann@dashboard: drain('app', 'app1:3000', seconds=600)" in log.lines
    assert {str(changed.who.role) for changed in stage.live.journal.changes} == {"operate"}


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        ({**DRAIN, "verb": "kill"}, "a change has a verb: drain, restore, set_weight"),
        ({**DRAIN, "verb": ["drain"]}, "a change has a verb"),
        ({"verb": "drain"}, "drain is for a pool and a peer"),
        ({**DRAIN, "peer": 7}, "drain is for a pool and a peer"),
        ({**DRAIN, "seconds": 1, "soft": True}, "drain takes minutes, peer, pool only"),
        ({**DRAIN, "minutes": "10"}, "minutes and seconds are numbers"),
        ({**DRAIN, "pool": "apx"}, "there is no pool 'apx'; did you mean 'app'?"),
        ({**DRAIN, "verb": "set_weight"}, "missing a required argument: 'weight'"),
        ({**DRAIN, "verb": "set_weight", "weight": -1}, "a weight is a whole number"),
        ([], "a change has a verb"),
        (None, "a change has a verb"),
    ],
)
def test_what_cannot_be_done_is_told(stage: Stage, wish: object, problem: str) -> None:
    answer = stage.post("/change", wish, stage.token())
    assert answer.status == 409
    assert problem in answer.said["error"]


def test_no_other_site_can_make_a_browser_change_anything(stage: Stage) -> None:
    token = stage.token()
    for fields in ((token, "Sec-Fetch-Site: cross-site"), (token, "Sec-Fetch-Site: same-site"), (token, "Sec-Fetch-Site: none")):
        assert stage.post("/change", DRAIN, *fields).status == 403
    assert stage.post("/change", DRAIN, token, "Sec-Fetch-Site: same-origin").status == 200
    # What forms can send needs no permission of ours; it changes nothing.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"):
        assert stage.ask("POST /change", token, f"Content-Type: {kind}", body=json.dumps(DRAIN)).status in (400, 415)
    # Nor are browsers ever told that they may send the token from elsewhere.
    preflight = stage.ask("OPTIONS /change", "Origin: https://evil.example", "Access-Control-Request-Headers: operator-token")
    assert preflight.status == 405
    assert not any(name.lower().startswith("access-control") for name in preflight.fields)


def test_nothing_that_is_said_is_kept_by_a_browser_or_framed(stage: Stage) -> None:
    answer = stage.post("/login", {"name": "ann", "password": "sesame"})
    assert answer.status == 200
    assert "Set-Cookie" not in answer.fields
    assert answer.fields["Cache-Control"] == "no-store"
    assert answer.fields["X-Frame-Options"] == "DENY"


def test_a_wrong_password_and_too_many_of_them(stage: Stage) -> None:
    wrong = {"name": "ann", "password": "guess"}
    for _ in range(5):
        assert stage.post("/login", wrong).status == 401
    answer = stage.post("/login", {"name": "ann", "password": "sesame"})
    assert answer.status == 429
    assert answer.fields["Retry-After"] == "12"


@pytest.mark.parametrize("body", ["", "{", "[]", "7", '{"name": 1, "password": "x"}', "[" * 9000, '"\\ud800"'])
def test_what_is_no_login_is_none(stage: Stage, body: str) -> None:
    assert stage.ask("POST /login", "Content-Type: application/json", body=body).status == 400


def test_no_more_is_read_than_is_needed(stage: Stage) -> None:
    answer = stage.ask("POST /login", "Content-Type: application/json", body='"' + "x" * 100_000 + '"')
    assert answer.status == 413


def test_who_logs_out_is_out(stage: Stage) -> None:
    token = stage.token()
    assert stage.ask("GET /live.json", token).said["you"]["name"] == "ann"
    assert stage.post("/logout", {}, token).status == 200
    assert stage.ask("GET /live.json", token).said["you"]["name"] is None
    assert stage.post("/change", DRAIN, token).status == 401


def test_a_port_without_users_has_nobody_to_log_in(stage: Stage) -> None:
    stage.site = StatusSite(stage.live, stage.recorder, stage.clock)
    assert stage.ask("GET /live.json").said["you"] == {"name": None, "can_log_in": False}
    for path in ("/login", "/logout", "/change"):
        assert stage.post(path, DRAIN).status == 403


TOLD = ["/live.json", "/history.json", "/status.json", "/metrics", "/plain"]


@pytest.mark.parametrize("path", TOLD)
def test_where_everything_is_protected_nothing_is_told_to_strangers(closed: Stage, path: str) -> None:
    answer = closed.ask(f"GET {path}")
    assert answer.status == 401
    assert answer.said == {"error": "log in first"}
    assert answer.fields["WWW-Authenticate"].startswith("Basic ")
    # The page asks by itself.
    assert "WWW-Authenticate" not in closed.ask(f"GET {path}", "Operator-Token: ").fields
    assert closed.ask(f"GET {path}", closed.token()).status == 200


@pytest.mark.parametrize("path", TOLD)
def test_programs_say_name_and_password(closed: Stage, path: str) -> None:
    def basic(text: str) -> str:
        return f"Authorization: Basic {base64.b64encode(text.encode()).decode()}"

    assert closed.ask(f"GET {path}", basic("ann:sesame")).status == 200
    hashed = closed.gate.threads.done
    assert hashed > 0
    assert closed.ask(f"GET {path}", basic("ann:sesame")).status == 200
    assert closed.gate.threads.done == hashed
    assert closed.ask(f"GET {path}", basic("ann:wrong")).status == 401
    assert closed.ask(f"GET {path}", basic("ann:sesame"), basic("ann:sesame")).status == 401


def test_the_empty_page_and_balancers_need_no_password(closed: Stage) -> None:
    for path in ("/", "/dashboard.js", "/dashboard.css", "/icon.svg", "/ready"):
        assert closed.ask(f"GET {path}").status == 200
