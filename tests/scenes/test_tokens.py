"""jwt: tokens, their keys, and what peers hear of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.kit.clock import START
from tests.kit.party import Message, Party
from tests.kit.play import Play
from tests.scenes.sites import ANSWER

KEY, NEW = (RSAKey.generate_key(2048, parameters={"kid": name}) for name in ("old", "new"))
SITE = """
    [pool app]
    servers = 10.0.0.1:80
    [route /]
    pool = app
    jwt = key.pem
"""


def site(directory: Path, knobs: str = "", source: str = "key.pem") -> Play:
    """A play with a key in a file, or with *source* in its place."""
    (directory / "key.pem").write_bytes(KEY.as_pem(private=False))
    return Play(SITE.replace("key.pem", source) + "".join(f"    {line}\n" for line in knobs.splitlines()), directory)


def token(key: RSAKey = KEY, **claims: Any) -> str:
    """A token that counts for a minute."""
    return jwt.encode({"alg": "RS256", "kid": key.kid}, {"sub": "anna", "exp": int(START) + 60, **claims}, key)


def asks(client: Party, *fields: str) -> None:
    """Send a request."""
    client.says("\n".join(("GET / HTTP/1.1", "Host: example.com", *fields)))


def passed(play: Play, client: Party) -> Message:
    """The request as the peer has got it; it is answered."""
    origin = play.same_origin()
    head = origin.hears_message()
    origin.says(ANSWER, b"hello")
    assert client.hears_message().status == 200
    return head


def published(*keys: RSAKey) -> bytes:
    """A JWK set."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


def test_who_has_a_token_that_counts_may_in(tmp_path: Path) -> None:
    with site(tmp_path) as play:
        client = play.client()
        asks(client, f"Authorization: Bearer {token()}")
        assert "authorization" in passed(play, client).fields
        assert (play.exchange().value("user"), play.exchange().value("jwt.exp")) == ("anna", str(int(START) + 60))
        asks(client)
        answer = client.hears_message()
        assert (answer.status, answer.fields["www-authenticate"]) == (401, 'Bearer realm="Restricted"')
        assert play.exchange().value("error") == "token_missing"
        asks(client, f"Authorization: Bearer {token(NEW)}")
        answer = client.hears_message()
        assert (answer.status, answer.fields["www-authenticate"]) == (401, 'Bearer realm="Restricted", error="invalid_token"')
        assert play.exchange().value("error") == "token_invalid"
        asks(client, f"Authorization: Bearer {token()}", f"Authorization: Bearer {token()}")
        assert client.hears_message().status == 401
        play.later(100)
        client.sees_end()
        play.same_origin().sees_end()
        client = play.client()
        asks(client, f"Authorization: Bearer {token()}")
        assert client.hears_message().status == 401


def test_peers_hear_of_claims_from_nobody_else(tmp_path: Path) -> None:
    knobs = "jwt_headers =\n    sub X-User\n    roles X-Roles\n    org.name X-Org\n    missing X-Missing\njwt_pass = no"
    with site(tmp_path, knobs) as play:
        client = play.client()
        signed = token(roles=["a", "b"], org={"name": "Ü\r\nX-Evil: 1"})
        asks(client, f"Authorization: Bearer {signed}", "X-User: root", "x_roles: admin", "X-Missing: yes", "X_Missing: yes")
        head = passed(play, client)
        found = {name: value for name, value in head.fields.items() if name.startswith("x")}
        assert found == {"x-user": "anna", "x-roles": "a b", "x-org": "Ü  X-Evil: 1".encode().decode("latin-1")}
        assert "authorization" not in head.fields


def test_the_site_says_whether_tokens_end_and_which_claim_is_the_user(tmp_path: Path) -> None:
    endless = jwt.encode({"alg": "RS256", "kid": KEY.kid}, {"sub": "anna", "name": "Anna"}, KEY)
    with site(tmp_path, "jwt_user = name") as play:
        client = play.client()
        asks(client, f"Authorization: Bearer {endless}")
        assert client.hears_message().status == 401
        assert play.exchange().value("error") == "token_invalid"
    with site(tmp_path, "jwt_expires = no\njwt_user = name") as play:
        client = play.client()
        asks(client, f"Authorization: Bearer {endless}")
        passed(play, client)
        assert play.exchange().value("user") == "Anna"


@pytest.mark.parametrize(
    ("knobs", "claims", "counts"),
    [
        ("jwt_issuer = https://a https://b", {"iss": "https://b"}, True),
        ("jwt_issuer = https://a https://b", {"iss": "https://c"}, False),
        ("jwt_audience = me", {"aud": ["us", "me"]}, True),
        ("jwt_audience = me", {"aud": "you"}, False),
        ("", {"exp": START - 20}, True),
        ("jwt_leeway = 10s", {"exp": START - 20}, False),
        ("", {"exp": START - 40}, False),
        ("jwt_leeway = 1m", {"exp": START - 40}, True),
        ("jwt_algorithms = RS512 RS256", {}, True),
        ("jwt_algorithms = RS512", {}, False),
    ],
)
def test_the_site_says_which_tokens_count(tmp_path: Path, knobs: str, claims: dict[str, Any], counts: bool) -> None:
    with site(tmp_path, knobs) as play:
        client = play.client()
        asks(client, f"Authorization: Bearer {token(**claims)}")
        if counts:
            passed(play, client)
        else:
            assert client.hears_message().status == 401
            assert play.exchange().value("error") == "token_invalid"


@pytest.mark.parametrize(("place", "field"), [("cookie session", "Cookie: a=b; session={}"), ("header X-Token", "X-Token: {}")])
def test_the_token_may_be_elsewhere(tmp_path: Path, place: str, field: str) -> None:
    with site(tmp_path, f"jwt_from = {place}") as play:
        client = play.client()
        asks(client, field.format(token()))
        passed(play, client)
        asks(client, f"Authorization: Bearer {token()}")
        assert client.hears_message().status == 401


def test_a_changed_file_counts_within_a_second(tmp_path: Path) -> None:
    with site(tmp_path) as play:
        (tmp_path / "key.pem").write_bytes(NEW.as_pem(private=False))
        os.utime(tmp_path / "key.pem", (1, 1))
        play.later(1.1)
        client = play.client()
        asks(client, f"Authorization: Bearer {token(NEW)}")
        passed(play, client)
        asks(client, f"Authorization: Bearer {token()}")
        assert client.hears_message().status == 401


def test_keys_are_fetched_once_for_all_who_wait(tmp_path: Path) -> None:
    with site(tmp_path, source="https://issuer.example.com/jwks") as play:
        clients = [play.client() for _ in range(2)]
        for client in clients:
            asks(client, f"Authorization: Bearer {token()}")
        question = play.beside.question()
        assert question.url == "https://issuer.example.com/jwks"
        assert not play.beside.questions
        question.answers("HTTP/1.1 200 OK", published(KEY))
        for _ in clients:
            origin = play.origin()
            origin.hears_message()
            origin.says(ANSWER, b"hello")
        for client in clients:
            assert client.hears_message().status == 200


def test_a_new_key_is_fetched_when_a_token_names_it_but_not_for_each(tmp_path: Path) -> None:
    with site(tmp_path, source="https://issuer.example.com/jwks") as play:
        client = play.client()
        asks(client, f"Authorization: Bearer {token()}")
        play.beside.question().answers("HTTP/1.1 200 OK", published(KEY))
        passed(play, client)
        asks(client, f"Authorization: Bearer {token(NEW)}")
        assert client.hears_message().status == 401
        assert not play.beside.questions
        play.later(31)
        asks(client, f"Authorization: Bearer {token(NEW)}")
        play.beside.question().answers("HTTP/1.1 200 OK", published(KEY, NEW))
        passed(play, client)


def test_old_keys_are_renewed_behind(tmp_path: Path) -> None:
    with site(tmp_path, "jwt_refresh = 40s\njwt_leeway = 1h", source="https://issuer.example.com/jwks") as play:
        client = play.client()
        asks(client, f"Authorization: Bearer {token()}")
        play.beside.question().answers("HTTP/1.1 200 OK", published(KEY))
        passed(play, client)
        play.later(41)
        asks(client, f"Authorization: Bearer {token()}")
        passed(play, client)
        play.beside.question().answers("HTTP/1.1 503 Unavailable")
        asks(client, f"Authorization: Bearer {token()}")
        passed(play, client)
        play.later(31)
        asks(client, f"Authorization: Bearer {token()}")
        passed(play, client)
        play.beside.question().answers("HTTP/1.1 200 OK", published(NEW))
        asks(client, f"Authorization: Bearer {token()}")
        assert client.hears_message().status == 401


def test_without_keys_nobody_may_in(tmp_path: Path) -> None:
    with site(tmp_path, source="https://issuer.example.com/jwks") as play:
        client = play.client()
        asks(client, f"Authorization: Bearer {token()}")
        play.beside.question().fails()
        assert client.hears_message().status == 503
        assert play.exchange().value("error") == "keys_unknown"
        asks(client, f"Authorization: Bearer {token()}")
        assert client.hears_message().status == 503
        play.later(31)
        asks(client, f"Authorization: Bearer {token()}")
        play.beside.question().answers("HTTP/1.1 200 OK", b"<html>")
        assert client.hears_message().status == 503


def test_any_of_several_is_enough_where_the_site_says_so(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    knobs = "basic_auth = users\nforward_auth = http://127.0.0.1:9/\nsatisfy = any"
    with site(tmp_path, knobs) as play:
        client = play.client()
        asks(client, f"Authorization: Bearer {token()}")
        passed(play, client)
        asks(client, "Authorization: Basic YW5uYTpzZWNyZXQ=")
        play.turn()
        passed(play, client)
        asks(client, "Authorization: Basic YW5uYTp3cm9uZw==")
        play.turn()
        play.beside.question().answers("HTTP/1.1 302 Found\nLocation: /login")
        answer = client.hears_message()
        assert (answer.status, answer.fields["location"]) == (302, "/login")
        assert answer.fields["www-authenticate"].startswith("Bearer")
        asks(client)
        play.beside.question().answers("HTTP/1.1 200 OK")
        passed(play, client)


def test_all_of_several_are_needed_otherwise(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    with site(tmp_path, "jwt_from = cookie t\nbasic_auth = users") as play:
        client = play.client()
        asks(client, f"Cookie: t={token()}")
        assert client.hears_message().status == 401
        asks(client, "Authorization: Basic YW5uYTpzZWNyZXQ=")
        assert client.hears_message().status == 401
        asks(client, "Authorization: Basic YW5uYTpzZWNyZXQ=", f"Cookie: t={token()}")
        play.turn()
        passed(play, client)
