"""Of requests that want the same, one goes to a peer, and its answer serves the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.test_caching import SITE

LARGE = bytes(range(256)) * 4 * 1024  # 1 MiB


def ask(client: Party, *fields: str, method: str = "GET", target: str = "/") -> None:
    client.says("\n".join((f"{method} {target} HTTP/1.1", "Host: example.com", *fields)))


def crowd(play: Play, number: int, *fields: str) -> list[Party]:
    """Clients that have asked for the same."""
    clients = [play.client() for _ in range(number)]
    for client in clients:
        ask(client, *fields)
    return clients


def asked(origin: Party) -> bytes:
    """What an origin was asked, which is left unjudged; it must have been."""
    heard = origin.overlooks()
    assert heard
    return heard


def head(length: int | None = 5, *fields: str) -> str:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return "\n".join(("HTTP/1.1 200 OK", *(fields or ("Cache-Control: max-age=60",)), framing))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def statuses(clients: list[Party], body: bytes) -> list[str]:
    """What each was told by Cache-Status; all must have got *body*."""
    found = []
    for client in clients:
        message = client.hears_message()
        assert message.body == body
        found.append(message.fields["cache-status"].removeprefix("twistedproxy; "))
    return found


def test_a_crowd_makes_one_request(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        clients = crowd(play, 5)
        origin = play.origin()
        asked(origin)
        play.no_connection()
        origin.says(head(), b"hello")
        assert statuses(clients, b"hello") == ["fwd=uri-miss; stored", *["fwd=uri-miss; collapsed; ttl=60"] * 4]
        assert [exchange.cache_status for exchange in play.finished] == ["MISS"] * 5
        assert play.caches["pages"].counts.collapsed == 4


def test_hundreds_of_requests_for_one_cold_key_make_one_request_at_the_origin(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        clients = crowd(play, 300)
        origin = play.origin()
        asked(origin)
        play.no_connection()
        origin.says(head(), b"hello")
        assert len(statuses(clients, b"hello")) == 300
        origin.hears_nothing()


def test_others_read_what_comes_in_as_it_comes(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        first, second = crowd(play, 2)
        origin = play.origin()
        asked(origin)
        origin.says(head(None), chunk(b"one"))
        late = play.client()
        ask(late)
        for client in (first, second, late):
            assert client.overlooks().endswith(b"\r\n\r\n3\r\none\r\n")
        origin.says(chunk(b"two"))
        for client in (first, second, late):
            client.hears(chunk(b"two"))
        origin.says(b"0\r\n\r\n")
        for client in (first, second, late):
            client.hears(b"0\r\n\r\n")
        play.no_connection()
        after = play.client()
        ask(after)
        assert statuses([after], b"onetwo") == ["hit; ttl=60"]


@pytest.mark.parametrize("known", [True, False], ids=["length", "chunked"])
def test_a_large_body_is_the_same_for_everybody(tmp_path: Path, known: bool) -> None:
    with Play(SITE, tmp_path) as play:
        clients = crowd(play, 3)
        origin = play.origin()
        asked(origin)
        origin.says(head(len(LARGE) if known else None))
        for start in range(0, len(LARGE), 100_000):
            piece = LARGE[start : start + 100_000]
            origin.says(piece if known else chunk(piece))
            if start == 500_000:
                clients.append(play.client())
                ask(clients[-1])
        if known:
            statuses(clients, LARGE)
        else:
            origin.says(b"0\r\n\r\n")
            for client in clients:
                _, _, body = client.overlooks().partition(b"\r\n\r\n")
                assert unchunked(body) == LARGE
        play.no_connection()


def unchunked(data: bytes) -> bytes:
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return body
        body, data = body + data[:length], data[length + 2 :]


def test_a_slow_reader_holds_up_neither_the_others_nor_the_origin(tmp_path: Path) -> None:
    body = LARGE * 3
    with Play(SITE, tmp_path) as play:
        slow, quick = play.client(), play.client()
        slow.stops_reading(1000)
        ask(slow)
        ask(quick)
        origin = play.origin()
        asked(origin)
        origin.says(head(len(body)), body)
        assert quick.hears_message().body == body
        assert origin.waiting == 0
        slow.reads_on()
        assert slow.hears_message().body == body


def test_a_slow_client_stops_holding_the_origin_back_when_somebody_else_wants_the_same(tmp_path: Path) -> None:
    body = LARGE * 3
    with Play(SITE, tmp_path) as play:
        slow = play.client()
        slow.stops_reading(1000)
        ask(slow)
        origin = play.origin()
        asked(origin)
        origin.says(head(len(body)), body)
        assert origin.waiting > 0
        quick = play.client()
        ask(quick)
        assert quick.hears_message().body == body
        slow.reads_on()
        assert slow.hears_message().body == body


def test_a_fill_goes_on_for_others_when_its_client_leaves(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        first, second = crowd(play, 2)
        origin = play.origin()
        asked(origin)
        first.resets()
        assert play.exchange().status == 499
        origin.says(head(), b"hel")
        third = play.client()
        ask(third)
        origin.says(b"lo")
        statuses([second, third], b"hello")
        play.no_connection()


def test_a_fill_goes_on_when_its_client_leaves_in_mid_body(tmp_path: Path) -> None:
    body = LARGE * 2
    with Play(SITE, tmp_path) as play:
        first = play.client()
        first.stops_reading(1000)
        second = play.client()
        ask(first)
        ask(second)
        origin = play.origin()
        asked(origin)
        origin.says(head(len(body)), body[:-5])
        first.resets()
        origin.says(body[-5:])
        statuses([second], body)
        late = play.client()
        ask(late)
        statuses([late], body)


def test_a_fill_that_nobody_reads_any_more_is_given_up(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        first, second = crowd(play, 2)
        origin = play.origin()
        asked(origin)
        first.resets()
        origin.says(head(), b"hel")
        assert second.overlooks().endswith(b"hel")
        second.resets()
        origin.sees_cut()
        assert play.in_flight() == 0
        assert play.caches["pages"].stats().fills == 0


def test_a_request_that_nobody_waits_for_any_more_is_given_up(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        first, second = crowd(play, 2)
        origin = play.origin()
        asked(origin)
        first.resets()
        assert play.in_flight() == 1
        second.resets()
        assert play.in_flight() == 0
        origin.overlooks()


def test_an_answer_that_is_not_for_others_releases_all_at_once_and_the_next_crowd_does_not_wait(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        clients = crowd(play, 4)
        origin = play.origin()
        asked(origin)
        origin.says(head(1, "Cache-Control: private"), b"1")
        origins = [origin, play.origin(), play.origin()]
        for number, each in enumerate(origins):
            asked(each)
            each.says(head(1, "Cache-Control: private"), b"%d" % (number + 2))
        assert sorted(client.hears_message().body for client in clients) == [b"1", b"2", b"3", b"4"]
        clients = crowd(play, 2)
        for each in origins:
            if each.overlooks():
                each.says(head(1, "Cache-Control: private"), b"5")
        statuses(clients, b"5")


def test_requests_wait_for_each_other_again_after_an_answer_that_is_for_all(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        (first,) = crowd(play, 1)
        origin = play.origin()
        asked(origin)
        origin.says(head(1, "Cache-Control: no-store"), b"1")
        statuses([first], b"1")
        assert play.caches["pages"].fetches.passes(b"http://example.com/", named=False)
        ask(first)
        asked(origin)
        origin.says(head(1, "Cache-Control: max-age=1"), b"2")
        statuses([first], b"2")
        play.later(2)
        clients = crowd(play, 3)
        asked(origin)
        play.no_connection()
        origin.says(head(1), b"3")
        statuses(clients, b"3")


def test_users_that_are_known_do_not_keep_others_from_sharing(tmp_path: Path) -> None:
    with Play(SITE + "cache_valid = 200 1h\n", tmp_path) as play:
        ann = play.client()
        ask(ann, "Cookie: user=ann")
        bob = play.client()
        ask(bob, "Cookie: user=bob")
        hers = play.origin()
        assert b"ann" in asked(hers)
        play.no_connection()
        others = crowd(play, 3)
        origin = play.origin()
        asked(origin)
        play.no_connection()
        origin.says(head(6, "X: y"), b"public")
        statuses(others, b"public")
        hers.says(head(3, "X: y"), b"ann")
        statuses([ann], b"ann")
        # What the others had is Bob's too: the origin made it for nobody in particular.
        for each in (hers, origin):
            if each.overlooks():
                each.says(head(3, "X: y"), b"bob")
        assert bob.hears_message().body in (b"bob", b"public")


def test_a_fill_that_fails_cuts_those_that_have_begun_and_another_request_serves_the_rest(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        first, second = crowd(play, 2)
        origin = play.origin()
        asked(origin)
        origin.says(head(), b"he")
        for client in (first, second):
            assert client.overlooks().endswith(b"he")
        origin.resets()
        for client in (first, second):
            assert client.is_closed
        third = play.client()
        ask(third)
        again = play.origin()
        asked(again)
        again.says(head(), b"hello")
        statuses([third], b"hello")


def test_when_a_fetch_fails_one_of_those_who_wait_asks_for_the_others(tmp_path: Path) -> None:
    with Play(SITE.replace("keepalive_timeout", "max_fails = 0\nkeepalive_timeout") + "tries = 1\n", tmp_path) as play:
        clients = crowd(play, 4)
        origin = play.origin()
        asked(origin)
        origin.resets()
        assert clients[0].hears_message().status == 502
        again = play.origin()
        asked(again)
        play.no_connection()
        again.says(head(), b"hello")
        assert len(statuses(clients[1:], b"hello")) == 3


def test_when_no_peer_answers_nobody_waits_for_ever(tmp_path: Path) -> None:
    with Play(SITE + "tries = 1\n", tmp_path) as play:
        play.refuses("10.0.0.1:80")
        clients = crowd(play, 300)
        assert {client.hears_message().status for client in clients} <= {502, 503}


def test_a_waiting_request_loses_its_patience(tmp_path: Path) -> None:
    with Play(SITE + "cache_lock_timeout = 3s\n", tmp_path) as play:
        first, second = crowd(play, 2)
        slow = play.origin()
        asked(slow)
        play.later(2)
        play.no_connection()
        play.later(1.5)
        quick = play.origin()
        asked(quick)
        quick.says(head(), b"other")
        assert statuses([second], b"other") == ["fwd=miss; detail=lock-timeout"]
        slow.says(head(), b"hello")
        assert statuses([first], b"hello") == ["fwd=uri-miss; stored"]


def test_a_site_may_do_without(tmp_path: Path) -> None:
    with Play(SITE + "cache_lock = no\n", tmp_path) as play:
        clients = crowd(play, 2)
        for _ in clients:
            origin = play.origin()
            asked(origin)
            origin.says(head(), b"hello")
        statuses(clients, b"hello")


def test_another_variant_is_fetched_by_one_of_those_who_want_it(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        german = crowd(play, 2, "Accept-Language: de")
        french = crowd(play, 3, "Accept-Language: fr")
        origin = play.origin()
        assert b"de" in asked(origin)
        play.no_connection()
        origin.says(head(3, "Cache-Control: max-age=60", "Vary: Accept-Language"), b"gut")
        statuses(german, b"gut")
        assert b"fr" in asked(origin)
        play.no_connection()
        origin.says(head(3, "Cache-Control: max-age=60", "Vary: Accept-Language"), b"bon")
        assert [status.partition(";")[0] for status in statuses(french, b"bon")] == ["fwd=vary-miss"] * 3


def test_head_and_a_part_are_served_from_what_comes_in(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        first, header, part, far = (play.client() for _ in range(4))
        ask(first)
        ask(header, method="HEAD")
        ask(part, "Range: bytes=1-3")
        origin = play.origin()
        asked(origin)
        body = LARGE * 3
        origin.says(head(len(body)), body[:2])
        message = header.hears_message(head_only=True)
        assert (message.status, message.fields["content-length"]) == (200, str(len(body)))
        ask(far, "Range: bytes=-2")
        other = play.origin()
        assert b"Range: bytes=-2" in asked(other)
        other.says("HTTP/1.1 206 Partial Content\nContent-Range: bytes 3-4/5\nContent-Length: 2", b"lo")
        assert far.hears_message().body == b"lo"
        origin.says(body[2:])
        message = part.hears_message()
        assert (message.status, message.body) == (206, body[1:4])
        assert message.fields["content-range"] == f"bytes 1-3/{len(body)}"
        assert first.hears_message().body == body


def test_a_client_that_has_it_gets_304_from_what_comes_in(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        first, second = play.client(), play.client()
        ask(first)
        ask(second, 'If-None-Match: "v1"')
        origin = play.origin()
        asked(origin)
        origin.says(head(5, "Cache-Control: max-age=60", 'ETag: "v1"'), b"hel")
        assert second.hears_message().status == 304
        origin.says(b"lo")
        statuses([first], b"hello")


def test_a_crowd_validates_once(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        (first,) = crowd(play, 1)
        origin = play.origin()
        asked(origin)
        origin.says(head(5, "Cache-Control: max-age=10", 'ETag: "v1"'), b"hello")
        statuses([first], b"hello")
        play.later(11)
        clients = crowd(play, 4)
        assert b"If-None-Match" in asked(origin)
        play.no_connection()
        origin.says('HTTP/1.1 304 Not Modified\nETag: "v1"\nDate: Fri, 15 Jan 2027 08:00:11 GMT')
        found = statuses(clients, b"hello")
        assert found[0].startswith("fwd=stale; fwd-status=304")
        assert found[1:] == ["fwd=stale; collapsed; ttl=10"] * 3


def test_what_must_always_be_validated_is_not_waited_for(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        clients = crowd(play, 2)
        origin = play.origin()
        asked(origin)
        origin.says(head(5, "Cache-Control: no-cache", 'ETag: "v1"'), b"hello")
        asked(origin)
        origin.says(head(5, "Cache-Control: no-cache", 'ETag: "v1"'), b"world")
        assert [client.hears_message().body for client in clients] == [b"hello", b"world"]


@pytest.mark.parametrize("field", ["Cache-Control: no-cache", "Cache-Control: no-store", "Cache-Control: max-age=0"])
def test_a_request_that_insists_goes_to_a_peer_itself(tmp_path: Path, field: str) -> None:
    with Play(SITE, tmp_path) as play:
        first, second = play.client(), play.client()
        ask(first)
        one = play.origin()
        asked(one)
        ask(second, field)
        if field.endswith("max-age=0"):
            # It may be answered by what is asked for now: that is not older than the request.
            play.no_connection()
            one.says(head(), b"hello")
            statuses([first, second], b"hello")
            return
        other = play.origin()
        asked(other)
        other.says(head(), b"other")
        assert second.hears_message().body == b"other"
        one.says(head(), b"hello")
        assert first.hears_message().body == b"hello"


def test_an_error_that_one_is_spared_is_spared_to_all(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        (first,) = crowd(play, 1)
        origin = play.origin()
        asked(origin)
        origin.says(head(5, "Cache-Control: max-age=10, stale-if-error=60"), b"hello")
        statuses([first], b"hello")
        play.later(11)
        clients = crowd(play, 3)
        asked(origin)
        origin.says("HTTP/1.1 503 Busy\nContent-Length: 0")
        assert {status.partition(";")[0] for status in statuses(clients, b"hello")} == {"fwd=stale"}
        play.no_connection()
        origin.hears_nothing()


def test_a_body_that_is_too_large_to_be_stored_reaches_all_who_read_it(tmp_path: Path) -> None:
    body = LARGE * 4
    with Play(SITE.replace("directory = cache", "directory = cache\nmax_entry = 1m"), tmp_path) as play:
        clients = crowd(play, 3)
        clients[2].stops_reading(1000)
        origin = play.origin()
        asked(origin)
        origin.says(head(None))
        for start in range(0, len(body), 100_000):
            origin.says(chunk(body[start : start + 100_000]))
        origin.says(b"0\r\n\r\n")
        # The slowest sets the pace now.
        assert origin.waiting > 0
        clients[2].reads_on()
        for client in clients:
            _, _, found = client.overlooks().partition(b"\r\n\r\n")
            assert unchunked(found) == body
        assert play.caches["pages"].stats().files == 0


def test_a_disk_that_fails_in_mid_body_is_noticed_by_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = LARGE * 2
    with Play(SITE, tmp_path) as play:
        clients = crowd(play, 3)
        origin = play.origin()
        asked(origin)
        origin.says(head(len(body)), body[: len(body) // 2])
        monkeypatch.setattr(play.caches["pages"]._store, "append", lambda spare, block: False)
        origin.says(body[len(body) // 2 :])
        statuses(clients, body)


def test_an_url_purged_while_it_comes_in_serves_those_who_read_it_and_nobody_else(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        clients = crowd(play, 2)
        origin = play.origin()
        asked(origin)
        origin.says(head(), b"hel")
        play.caches["pages"].purge(b"http://example.com/")
        origin.says(b"lo")
        statuses(clients, b"hello")
        (after,) = crowd(play, 1)
        asked(origin)
        origin.says(head(), b"newer")
        statuses([after], b"newer")


def test_when_a_fetch_fails_those_whose_answers_are_not_for_others_ask_for_themselves(tmp_path: Path) -> None:
    with Play(SITE.replace("keepalive_timeout", "max_fails = 0\nkeepalive_timeout") + "tries = 1\n", tmp_path) as play:
        first, header, part, last = (play.client() for _ in range(4))
        ask(first)
        ask(header, method="HEAD")
        ask(part, "Range: bytes=0-1")
        ask(last)
        origin = play.origin()
        asked(origin)
        origin.resets()
        assert first.hears_message().status == 502
        wanted = {b"HEAD": header, b"Range": part, b"GET / HTTP/1.1\r\nHost: example.com\r\nVia": last}
        for words, client in wanted.items():
            other = play.origin()
            assert words in asked(other)
            other.says("HTTP/1.1 204 No Content\nCache-Control: no-store")
            assert client.hears_message().status == 204


def test_a_file_that_is_damaged_while_it_is_read_along_cuts_the_answer(tmp_path: Path) -> None:
    body = LARGE * 4
    with Play(SITE, tmp_path) as play:
        first, slow = play.client(), play.client()
        slow.stops_reading(1000)
        ask(first)
        ask(slow)
        origin = play.origin()
        asked(origin)
        origin.says(head(len(body)), body[:-10])
        (file,) = (tmp_path / "cache" / "aside").iterdir()
        with file.open("r+b") as stream:
            stream.seek(3_600_000)
            stream.write(b"!!")
        slow.reads_on()
        assert len(slow.overlooks()) < 3_600_000
        assert slow.is_closed
        origin.says(body[-10:])
        assert first.hears_message().body == body


def test_who_reads_along_and_leaves_holds_nobody_up_when_the_body_is_too_large(tmp_path: Path) -> None:
    body = LARGE * 4
    with Play(SITE.replace("directory = cache", "directory = cache\nmax_entry = 1m"), tmp_path) as play:
        first, slow = crowd(play, 2)
        slow.stops_reading(1000)
        origin = play.origin()
        asked(origin)
        origin.says(head(None), *(chunk(body[start : start + 100_000]) for start in range(0, len(body), 100_000)), b"0\r\n\r\n")
        assert origin.waiting > 0
        slow.resets()
        _, _, found = first.overlooks().partition(b"\r\n\r\n")
        assert unchunked(found) == body
        assert origin.waiting == 0


def test_an_origin_that_varies_by_something_else_each_time_keeps_nobody_waiting(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        clients = [play.client() for _ in range(3)]
        for client, language in zip(clients, ("de", "fr", "it"), strict=True):
            ask(client, f"Accept-Language: {language}", f"X-Other: {language}")
        origins = [play.origin()]
        for number in range(4):
            for origin in list(origins):
                if origin.overlooks():
                    vary = ("Accept-Language", "X-Other")[number % 2]
                    origin.says(head(1, "Cache-Control: max-age=60", f"Vary: {vary}"), b"%d" % number)
            while play._unclaimed:
                origins.append(play.origin())
        for client in clients:
            assert client.hears_message().status == 200


def test_an_error_of_which_nothing_may_stand_in_is_asked_for_by_everybody(tmp_path: Path) -> None:
    with Play(SITE + "cache_use_stale = 503\n", tmp_path) as play:
        first = play.client()
        ask(first)
        origin = play.origin()
        asked(origin)
        origin.says(head(5, "Cache-Control: max-age=10"), b"hello")
        statuses([first], b"hello")
        play.later(11)
        clients = crowd(play, 2)
        limited = play.client()
        ask(limited, "Cache-Control: max-age=5")
        asked(origin)
        for each in (play._unclaimed and play.origin(),):
            if each:
                asked(each)
                each.says("HTTP/1.1 503 Busy\nContent-Length: 0")
        origin.says("HTTP/1.1 503 Busy\nContent-Length: 0")
        assert {status.partition(";")[0] for status in statuses(clients, b"hello")} == {"fwd=stale"}
        assert limited.hears_message().status == 503


def part(client: Party) -> tuple[int, bytes, str, str]:
    """An answer's status, body, Content-Range and Cache-Status."""
    message = client.hears_message()
    fields = message.fields
    return message.status, message.body, fields.get("content-range", ""), fields["cache-status"].removeprefix("twistedproxy; ")


@pytest.mark.parametrize("at_once", [True, False])
def test_a_crowd_that_wants_the_same_part_makes_one_request(tmp_path: Path, at_once: bool) -> None:
    with Play(SITE, tmp_path) as play:
        clients = crowd(play, 3, "Range: bytes=2-5")
        other, whole = play.client(), play.client()
        ask(other, "Range: bytes=2-5", 'If-Range: "v0"')
        origin = play.origin()
        asked(origin)
        play.no_connection()
        answer = "HTTP/1.1 206 Partial Content\nCache-Control: max-age=60\nContent-Range: bytes 2-5/10\nContent-Length: 4"
        if at_once:
            origin.says(answer, b"2345")
        else:
            origin.says(answer, b"23")
            origin.says(b"45")
        found = [part(client) for client in clients]
        assert [each[:3] for each in found] == [(206, b"2345", "bytes 2-5/10")] * 3
        assert [each[3] for each in found] == ["fwd=uri-miss; stored", *["fwd=uri-miss; collapsed; ttl=60"] * 2]
        # If-Range names another representation: that client wants the whole.
        for each in (play._unclaimed and play.origin(), origin):
            if each and each.overlooks():
                each.says(head(10), b"0123456789")
        assert part(other)[:2] == (200, b"0123456789")
        ask(whole)
        assert statuses([whole], b"0123456789") == ["hit; ttl=60"]


def test_a_crowd_that_begins_to_play_a_video_makes_one_request(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        clients = crowd(play, 4, "Range: bytes=0-")
        origin = play.origin()
        asked(origin)
        play.no_connection()
        last = len(LARGE) - 1
        origin.says(
            f"HTTP/1.1 206 Partial Content\nCache-Control: max-age=60\nContent-Range: bytes 0-{last}/{last + 1}\n"
            f"Content-Length: {last + 1}",
            LARGE[:1000],
        )
        late = play.client()
        ask(late, "Range: bytes=0-99")
        origin.says(LARGE[1000:])
        assert {part(client)[:3] for client in clients} == {(206, LARGE, f"bytes 0-{last}/{last + 1}")}
        if play._unclaimed:
            other = play.origin()
            asked(other)
            other.says("HTTP/1.1 204 No Content")
        late.overlooks()
        (after,) = crowd(play, 1)
        assert statuses([after], LARGE) == ["hit; ttl=60"]


def test_a_part_that_is_not_stored_releases_those_who_wait_for_it_and_says_nothing_of_the_whole(tmp_path: Path) -> None:
    with Play(SITE, tmp_path) as play:
        clients = crowd(play, 2, "Range: bytes=99-")
        origin = play.origin()
        asked(origin)
        refused = "HTTP/1.1 416 Range Not Satisfiable\nCache-Control: max-age=60\nContent-Length: 0"
        origin.says(refused)
        asked(origin)
        origin.says(refused)
        assert {part(client)[0] for client in clients} == {416}
        crowd_of_the_whole = crowd(play, 2)
        asked(origin)
        play.no_connection()
        origin.says(head(), b"hello")
        statuses(crowd_of_the_whole, b"hello")
