"""What is one user's is never another's: secrets are planted in answers to one client, and looked for in those to others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.party import Party
from tests.kit.play import Play
from tests.scenes.test_caching import SITE

#: A site that keeps and serves whatever it may.
EAGER = (
    SITE + "cache_valid = 200 1h\ncache_heuristic = yes\ncache_use_stale = error timeout updating 403 404 429 500 502 503 504\n"
)

MODIFIED = "Last-Modified: Thu, 14 Jan 2027 08:00:00 GMT"

SECRET = b"the secret of Ann"

#: What Ann asks with, and what she is answered with, that nobody else may get.
PLANTED = {
    "private": ("", "Cache-Control: private, max-age=60"),
    "private beside s-maxage": ("", "Cache-Control: private, s-maxage=60"),
    "private in another line and case": ("", "Cache-Control: max-age=60\nCache-Control: PRIVATE"),
    "private with a malformed list": ("", 'Cache-Control: max-age=60, private=set-cookie"'),
    "private for the cdn": ("", "Cache-Control: public, max-age=60\nCDN-Cache-Control: private"),
    "no-store beside stale-while-revalidate": ("", "Cache-Control: no-store, max-age=60, stale-while-revalidate=60"),
    "authorization": ("Authorization: Basic QW5u", "Cache-Control: max-age=60"),
    "authorization, silent": ("Authorization: Basic QW5u", MODIFIED),
    "authorization, for the cdn": ("Authorization: Basic QW5u", "CDN-Cache-Control: max-age=60"),
    "authorization, stale-if-error": ("Authorization: Basic QW5u", "Cache-Control: max-age=60, stale-if-error=60"),
    "set-cookie": ("", "Cache-Control: max-age=60\nSet-Cookie: session=ann"),
    "set-cookie, silent": ("", f"Set-Cookie: session=ann\n{MODIFIED}"),
    "set-cookie, for the cdn": ("", "CDN-Cache-Control: max-age=60\nSet-Cookie: session=ann"),
    "cookie, silent": ("Cookie: session=ann", ""),
    "cookie, guessed": ("Cookie: session=ann", MODIFIED),
    "cookie, for the cdn, silent": ("Cookie: session=ann", "CDN-Cache-Control: foo"),
    "vary *": ("Cookie: session=ann", "Cache-Control: max-age=60\nVary: *"),
    "vary * among others": ("Cookie: session=ann", "Cache-Control: max-age=60\nVary: Accept, *"),
    "vary cookie": ("Cookie: session=ann", "Cache-Control: max-age=60\nVary: Cookie"),
    "vary cookie, stale": ("Cookie: session=ann", 'Cache-Control: max-age=0, stale-while-revalidate=60\nETag: "x"\nVary: Cookie'),
    "vary authorization": ("Authorization: Basic QW5u", "Cache-Control: public, max-age=60\nVary: AUTHORIZATION"),
    "vary of two lines": ("Cookie: session=ann", "Cache-Control: max-age=60\nVary: Accept\nVary: Cookie"),
}

#: How others ask.
OTHERS = (
    "",
    "Cookie: session=bob",
    "Cookie: SESSION=ANN",
    "Cookie: session=ann; x=y",
    "Authorization: Basic Qm9i",
    "Authorization: basic QW5u",
    "Range: bytes=0-5",
    "Cache-Control: max-stale",
    "Cache-Control: only-if-cached",
    'If-None-Match: "none"',
)


def ask(client: Party, *fields: str) -> None:
    """A request for the same page with these fields."""
    client.says("\n".join(("GET / HTTP/1.1", "Host: example.com", *filter(None, fields))))


@pytest.mark.parametrize("asked", OTHERS)
@pytest.mark.parametrize("planted", PLANTED)
def test_a_secret_stays_with_the_user_to_whom_it_was_told(tmp_path: Path, planted: str, asked: str) -> None:
    hers, answer = PLANTED[planted]
    with Play(EAGER, tmp_path) as play:
        ann = play.client()
        ask(ann, hers)
        origin = play.origin()
        origin.overlooks()
        origin.says(f"HTTP/1.1 200 OK\n{answer}\nContent-Length: {len(SECRET)}".replace("\n\n", "\n"), SECRET)
        assert ann.hears_message().body == SECRET
        for moment in (0, 20, 45):
            play.later(moment)
            other = play.client()
            ask(other, asked)
            if origin.overlooks():
                # Not even an error brings it out.
                origin.says("HTTP/1.1 503 Busy\nContent-Length: 0")
            heard = other.hears_message()
            assert heard.status in (503, 504)
            assert b"secret" not in heard.body
            assert "ann" not in str(heard.fields)


@pytest.mark.parametrize("name", ["private", "no-cache"])
def test_a_field_that_is_one_users_is_taken_out_of_what_others_get(tmp_path: Path, name: str) -> None:
    with Play(EAGER, tmp_path) as play:
        ann, bob = play.client(), play.client()
        ask(ann)
        origin = play.origin()
        origin.overlooks()
        origin.says(
            f'HTTP/1.1 200 OK\nCache-Control: max-age=60, {name}="set-cookie"\nSet-Cookie: a=ann\nContent-Length: 2', b"ok"
        )
        assert ann.hears_message().fields["set-cookie"] == "a=ann"
        ask(bob)
        answer = bob.hears_message()
        assert (answer.body, answer.fields["x-cache-status"]) == (b"ok", "HIT")
        assert "set-cookie" not in answer.fields


def test_an_update_behind_brings_its_clients_secret_to_nobody(tmp_path: Path) -> None:
    with Play(EAGER, tmp_path) as play:
        first = play.client()
        ask(first)
        origin = play.origin()
        origin.overlooks()
        origin.says("HTTP/1.1 200 OK\nCache-Control: max-age=10, stale-while-revalidate=60\nContent-Length: 6", b"public")
        assert first.hears_message().body == b"public"
        play.later(11)
        ann = play.client()
        # Ann's request causes the update, with her cookie; what comes back sets another.
        ask(ann, "Cookie: session=ann")
        assert ann.hears_message().body == b"public"
        assert b"session=ann" in origin.overlooks()
        origin.says(f"HTTP/1.1 200 OK\nCache-Control: max-age=10\nSet-Cookie: a=ann\nContent-Length: {len(SECRET)}", SECRET)
        ask(first)
        assert origin.overlooks()
        origin.says("HTTP/1.1 200 OK\nCache-Control: max-age=10\nContent-Length: 6", b"public")
        answer = first.hears_message()
        assert answer.body == b"public"
        assert "set-cookie" not in answer.fields


#: What may be stored for users of whom the request says nothing, or the same.
SHARED_AMONG_LIKES = frozenset(planted for planted in PLANTED if planted.startswith(("vary cookie", "vary auth", "vary of"))) | {
    planted for planted in PLANTED if planted.startswith(("authorization", "cookie"))
}

#: Answers that may be stored whatever the cookie: they give themselves a lifetime, and do not vary by it.
FOR_ANY_COOKIE = frozenset(("authorization", "authorization, for the cdn", "authorization, stale-if-error", "vary authorization"))


@pytest.mark.parametrize("first", ["", "Cookie: session=ann", "Authorization: Basic QW5u"])
@pytest.mark.parametrize("planted", PLANTED)
def test_nobody_who_waits_for_another_ones_answer_gets_what_is_that_ones(tmp_path: Path, planted: str, first: str) -> None:
    _, answer = PLANTED[planted]
    with Play(EAGER, tmp_path) as play:
        clients: list[tuple[str, Party]] = []
        for asked in (first, *OTHERS, PLANTED[planted][0], first):
            clients.append((asked, play.client()))
            ask(clients[-1][1], asked)
        # A peer says something else each time, in two pieces, so that who may read along does.
        made_for: dict[bytes, tuple[str, ...]] = {}
        origins: list[Party] = []
        busy = True
        while busy:
            busy = False
            while play._unclaimed:
                origins.append(play.origin())
            for origin in origins:
                heard = origin.overlooks()
                if heard:
                    busy = True
                    body = b"%05d secret" % len(made_for)
                    made_for[body[:6]] = who(heard.decode(), planted)
                    origin.says(f"HTTP/1.1 200 OK\n{answer}\nContent-Length: {len(body)}".replace("\n\n", "\n"), body[:3])
                    origin.says(body[3:])
        told: list[bytes] = []
        for asked, client in clients:
            message = client.hears_message()
            if message.status in (200, 206):
                made = made_for[message.body[:6]]
                assert made in ((), who(asked, planted)), f"{asked!r} got what was made for {made}"
                told.append(message.body[:6])
            else:
                assert (message.status, asked) == (504, "Cache-Control: only-if-cached")
        assert len(told) == len(set(told)) or planted in SHARED_AMONG_LIKES


def who(request: str, planted: str) -> tuple[str, ...]:
    """The fields of a request that say whose it is, as far as the answer does not say that it is for all of them."""
    fields = ("Authorization:",) if planted in FOR_ANY_COOKIE else ("Cookie:", "Authorization:")
    return tuple(line for line in request.splitlines() if line.startswith(fields))


@pytest.mark.parametrize("name", ["X-Forwarded-For", "x-real-ip"])
def test_an_answer_that_varies_by_what_the_proxy_says_of_a_client_is_for_nobody_else(tmp_path: Path, name: str) -> None:
    with Play(EAGER + "forwarded = yes\n", tmp_path) as play:
        ann, bob = play.client(), play.client()
        ask(ann)
        origin = play.origin()
        origin.overlooks()
        origin.says(f"HTTP/1.1 200 OK\nCache-Control: max-age=60\nVary: {name}\nContent-Length: {len(SECRET)}", SECRET)
        answer = ann.hears_message()
        assert (answer.body, answer.fields["cache-status"]) == (SECRET, "twistedproxy; fwd=uri-miss; detail=vary-ours")
        ask(bob)
        assert origin.overlooks()
        origin.says("HTTP/1.1 200 OK\nContent-Length: 3", b"bob")
        assert bob.hears_message().body == b"bob"


@pytest.mark.parametrize(
    ("more", "field", "stored"),
    [
        ("forwarded = yes\n", "X-Forwarded-Proto", True),
        ("forwarded = no\n", "X-Forwarded-For", True),
        ("forwarded = yes\ncache_key = {host}{uri}\n", "X-Forwarded-Proto", False),
        ("forwarded = yes\ncache_key = {scheme}://{host}{path}\n", "X-Forwarded-Proto", True),
        ("forwarded = yes\ncache_key = {scheme}{uri}\n", "X-Forwarded-Host", False),
    ],
)
def test_what_the_proxy_says_of_each_client_alike_may_vary(tmp_path: Path, more: str, field: str, stored: bool) -> None:
    with Play(EAGER + more, tmp_path) as play:
        ann, bob = play.client(), play.client()
        ask(ann)
        origin = play.origin()
        origin.overlooks()
        origin.says(f"HTTP/1.1 200 OK\nCache-Control: max-age=60\nVary: {field}\nContent-Length: 2", b"ok")
        ann.overlooks()
        ask(bob)
        if stored:
            assert bob.hears_message().fields["x-cache-status"] == "HIT"
        else:
            assert origin.overlooks()
            origin.says("HTTP/1.1 200 OK\nContent-Length: 3", b"bob")
            assert bob.hears_message().body == b"bob"
