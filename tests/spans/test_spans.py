"""What the spans of an exchange say, as OpenTelemetry's own exporter has them."""

from __future__ import annotations

from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from tests.kit.play import Play
from tests.kit.reloading import ReloadingPlay
from tests.scenes.sites import ANSWER as HELLO
from tests.scenes.sites import ASKED as ASKS
from tests.scenes.sites import FIRST, ONE, SECOND, TWO
from tests.scenes.test_caching import SITE as CACHED
from tests.scenes.test_collapsed import ask, asked, crowd, head, statuses
from tests.scenes.test_mirror import GET, SHADOW
from tests.scenes.test_mirror import SITE as MIRRORED
from tests.scenes.test_websockets import joined
from tests.spans.senders import Collected

SITE = """
    [pool app]
    servers =
        10.0.0.1:80
        10.0.0.2:80
    [route /api/]
    pool = app
    traceparent = any
    strip_prefix = /api
    [route /plain]
    respond = 404 nothing
"""
ASKED = "GET /api/a?b=c&sig=x HTTP/1.1\nHost: example.com:8080\nUser-Agent: curl/8.0"
PARENT = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ANSWER = "HTTP/1.1 200 OK\nContent-Length: 2"


def context(span: ReadableSpan) -> tuple[str, str]:
    """Trace and id of a span."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


def parent(span: ReadableSpan) -> str:
    """The id of the span above, empty for none."""
    return "" if span.parent is None else f"{span.parent.span_id:016x}"


def test_an_exchange_is_a_server_span_with_a_client_span_below_it_that_the_peer_is_told_of() -> None:
    with Play(SITE) as play:
        collected = Collected(play)
        client = play.client()
        client.says(f"{ASKED}\n{PARENT}\ntracestate: a=b")
        origin = play.origin()
        play.later(1)
        told = origin.hears_message().fields
        origin.says(ANSWER, b"hi")
        client.hears(ANSWER, b"hi")
        server, attempt = collected.spans()
    trace, span = context(attempt)
    assert trace == context(server)[0] == "0af7651916cd43dd8448eb211c80319c"
    assert parent(server) == "b7ad6b7169203331"
    assert parent(attempt) == context(server)[1]
    assert told["traceparent"] == f"00-{trace}-{span}-01"
    assert told["tracestate"] == "a=b"
    assert (server.kind, server.name) == (SpanKind.SERVER, "GET /api/")
    assert (attempt.kind, attempt.name) == (SpanKind.CLIENT, "GET")
    assert dict(server.attributes or {}) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "url.path": "/api/a",
        "url.query": "b=c&sig=REDACTED",
        "server.address": "example.com",
        "server.port": 8080,
        "client.address": "192.0.2.1",
        "network.peer.address": "192.0.2.1",
        "network.peer.port": 50001,
        "network.protocol.version": "1.1",
        "user_agent.original": "curl/8.0",
        "http.response.status_code": 200,
        "http.route": "/api/",
        "twistedproxy.pool": "app",
    }
    assert dict(attempt.attributes or {}) == {
        "http.request.method": "GET",
        "url.full": "http://10.0.0.1/a?b=c&sig=REDACTED",
        "server.address": "10.0.0.1",
        "server.port": 80,
        "http.response.status_code": 200,
        "twistedproxy.pool": "app",
        "twistedproxy.peer": "10.0.0.1:80",
    }
    assert server.start_time == attempt.start_time
    assert (server.end_time or 0) - (server.start_time or 0) == 1_000_000_000
    assert [event.name for event in attempt.events] == ["connected", "answer begins"]
    assert server.status.status_code is attempt.status.status_code is StatusCode.UNSET
    assert server.resource.attributes["service.name"] == "twistedproxy"


def test_a_retry_is_a_second_span_and_the_first_one_says_why_it_failed() -> None:
    with Play(SITE) as play:
        collected = Collected(play)
        play.refuses("10.0.0.1:80")
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        told = origin.hears_message().fields["traceparent"]
        origin.says(ANSWER, b"hi")
        client.hears(ANSWER, b"hi")
        server, first, second = collected.spans()
    assert parent(server) == ""
    assert parent(first) == parent(second) == context(server)[1]
    assert context(first)[1] != context(second)[1] == told[36:52]
    assert (first.attributes or {})["error.type"] == "refused"
    assert first.status.status_code is StatusCode.ERROR
    assert first.status.description == "the peer refused the connection"
    assert (second.attributes or {})["http.request.resend_count"] == 1
    assert server.status.status_code is StatusCode.UNSET


def test_an_exchange_that_fails_is_an_error_and_a_client_s_mistake_is_none() -> None:
    with Play(SITE) as play:
        collected = Collected(play)
        play.refuses("10.0.0.1:80")
        play.refuses("10.0.0.2:80")
        client = play.client()
        client.says(ASKED)
        client.overlooks()
        client.says("BREW /plain HTTP/1.1\nHost: example.com")
        client.overlooks()
        failed, *_, mistaken = collected.spans()
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "refused"
    assert (failed.attributes or {})["http.response.status_code"] == 502
    assert mistaken.status.status_code is StatusCode.UNSET
    assert mistaken.name == "HTTP /plain"
    assert (mistaken.attributes or {})["http.request.method"] == "_OTHER"
    assert (mistaken.attributes or {})["http.request.method_original"] == "BREW"


def test_a_client_who_leaves_ends_the_span_of_the_attempt() -> None:
    with Play(SITE) as play:
        collected = Collected(play)
        client = play.client()
        client.says(ASKED)
        origin = play.origin()
        origin.hears_message()
        play.later(2)
        client.resets()
        origin.sees_cut()
        server, attempt = collected.spans()
    assert (server.attributes or {})["http.response.status_code"] == 499
    assert server.status.status_code is StatusCode.UNSET
    assert (attempt.end_time or 0) - (attempt.start_time or 0) == 2_000_000_000
    assert (attempt.attributes or {})["twistedproxy.outcome"] == "client_gone"


def test_whoever_began_a_trace_decides_whether_it_is_seen_if_the_route_believes_everybody() -> None:
    with Play(SITE) as play:
        collected = Collected(play, "sample = 0.001%")
        client = play.client()
        client.says(f"{ASKED}\n{PARENT[:-1]}0")
        origin = play.origin()
        assert origin.hears_message().fields["traceparent"].endswith("-00")
        origin.says(ANSWER, b"hi")
        client.overlooks()
        assert collected.spans() == []
        client.says(f"{ASKED}\n{PARENT}")
        origin = play.origin()
        assert origin.hears_message().fields["traceparent"].endswith("-01")
        origin.says(ANSWER, b"hi")
        client.overlooks()
        assert len(collected.spans()) == 2


def test_strangers_do_not_decide_what_is_seen() -> None:
    with Play(SITE.replace("any", "trusted")) as play:
        collected = Collected(play, "sample = 0.001%")
        client = play.client()
        client.says(f"{ASKED}\n{PARENT}")
        origin = play.origin()
        told = origin.hears_message().fields["traceparent"]
        assert told.endswith("-00")
        assert "0af7651916cd43dd8448eb211c80319c" not in told
        origin.says(ANSWER, b"hi")
        client.overlooks()
        assert collected.spans() == []


def test_a_ratio_decides_of_all_if_it_is_told_to() -> None:
    # The last half of the id, as a share of all that it could be: 0x8448… of 2^64 is about 52 %.
    for share, seen in (("53%", 2), ("51%", 0)):
        with Play(SITE) as play:
            collected = Collected(play, f"sample = {share}", "sampler = ratio")
            client = play.client()
            client.says(f"{ASKED}\n{PARENT}")
            origin = play.origin()
            origin.hears_message()
            origin.says(ANSWER, b"hi")
            client.overlooks()
            assert len(collected.spans()) == seen


def test_a_websocket_is_a_span_as_long_as_it_is_open() -> None:
    with Play(ONE) as play:
        collected = Collected(play)
        client, origin = joined(play)
        play.later(5)
        assert collected.spans() == []
        client.ends()
        origin.sees_end()
        origin.ends()
        client.sees_end()
        server, attempt = collected.spans()
    assert (server.attributes or {})["http.response.status_code"] == 101
    assert (attempt.attributes or {})["http.response.status_code"] == 101
    for span in (server, attempt):
        assert 4_900_000_000 < (span.end_time or 0) - (span.start_time or 0) < 5_200_000_000


def test_a_hedge_that_lost_is_a_span_and_no_error() -> None:
    with Play(TWO.replace("pool = app", "pool = app\nhedge = 200ms\ntraceparent = any")) as play:
        collected = Collected(play)
        client = play.client()
        client.says(ASKS)
        first = play.origin(FIRST)
        told = first.hears_message().fields["traceparent"]
        play.later(0.25)
        second = play.origin(SECOND)
        told_second = second.hears_message().fields["traceparent"]
        second.says(HELLO, b"hello")
        client.hears(HELLO, b"hello")
        first.sees_cut()
        _, *attempts = collected.spans()
    by_id = {context(attempt)[1]: attempt for attempt in attempts}
    assert set(by_id) == {told[36:52], told_second[36:52]}
    lost = by_id[told[36:52]]
    assert lost.status.status_code is StatusCode.UNSET
    assert (lost.attributes or {})["twistedproxy.outcome"] == "hedged_out"
    assert (by_id[told_second[36:52]].attributes or {})["http.response.status_code"] == 200


def test_a_fill_that_goes_on_behind_is_a_part_of_the_exchange_that_began_it(tmp_path: Path) -> None:
    with Play(CACHED.replace("[route /]", "[route /]\ntraceparent = any"), tmp_path) as play:
        collected = Collected(play)
        first, second = crowd(play, 2)
        origin = play.origin()
        asked(origin)
        first.resets()
        origin.says(head(), b"hello")
        statuses([second], b"hello")
        spans = collected.spans()
    left, behind = (next(span for span in spans if span.kind is kind) for kind in (SpanKind.SERVER, SpanKind.INTERNAL))
    (attempt,) = (span for span in spans if span.kind is SpanKind.CLIENT)
    assert (left.attributes or {})["http.response.status_code"] == 499
    assert context(left)[0] == context(behind)[0] == context(attempt)[0]
    assert parent(behind) == context(left)[1]
    assert len({context(span)[1] for span in spans}) == len(spans) == 4


def test_an_answer_from_the_cache_has_no_attempt(tmp_path: Path) -> None:
    with Play(CACHED, tmp_path) as play:
        collected = Collected(play)
        client = play.client()
        for _ in range(2):
            ask(client)
            if play.has_origin:
                origin = play.origin()
                asked(origin)
                origin.says(head(), b"hello")
            client.overlooks()
        _, _, hit = collected.spans()
    assert (hit.attributes or {})["twistedproxy.cache_status"] == "HIT"


def test_a_mirror_s_peer_is_told_of_the_exchange_and_has_no_span() -> None:
    with Play(MIRRORED + "traceparent = any\n") as play:
        collected = Collected(play)
        client = play.client()
        client.says(GET)
        shadow = play.origin(SHADOW)
        told = shadow.hears_message().fields["traceparent"]
        shadow.says("HTTP/1.1 204 No Content")
        app = play.origin()
        app.hears_message()
        app.says("HTTP/1.1 204 No Content")
        client.hears("HTTP/1.1 204 No Content")
        server, _ = collected.spans()
    assert told[36:52] == context(server)[1]


def test_logs_say_by_what_id_a_trace_is_known(tmp_path: Path) -> None:
    site = """
        [listen http]
        on = tcp:80
        [route /]
        respond = 200 well
        [log a]
        file = a.log
        format = json
        [tracing]
        endpoint = http://127.0.0.1:4318
        sample = 0.001%
        interval = 60s
    """
    with ReloadingPlay(site, tmp_path) as play:
        client = play.client()
        client.says("GET / HTTP/1.1\nHost: example.com")
        client.overlooks()
        known = play.exchange().noted or {}
        assert play.routes["/"].settings.traceparent == "trusted"
        assert play.live.spans is not None
        before = play.live.spans
        play.reload(("respond = 200 well", "respond = 200 better"))
        assert play.live.spans is before
        play.reload(("sample = 0.001%", "sample = 10%"))
        assert play.live.spans is not before
        assert play.site.tracing is not None
        assert play.site.tracing.share == 0.1
        text = play._text
        play.reload((text[text.index("[tracing]") :], ""))
        assert play.live.spans is None
        assert play.site.tracing is None
        play.later(1)
    assert f'"trace_id": "{known["traceparent"][3:35]}"' in (tmp_path / "a.log").read_text()
