"""What sites say of who may in, and how often."""

from __future__ import annotations

from pathlib import Path

import pytest
from joserfc.jwk import RSAKey

from tests.config.sites import SMALL, errors, loaded, warnings

LIMITED = SMALL + "limits = l\n[limit l]\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (SMALL + "allow = 10.0.0.1/8\n", "allow: '10.0.0.1/8' has bits behind its prefix; write 10.0.0.0/8"),
        (SMALL + "deny = everyone\n", "deny: 'everyone' is not a network"),
        (SMALL + "bandwidth = 1m\n", "bandwidth: '1m' is not a bandwidth; write 1m/s"),
        (SMALL + "bandwidth = 10/s\n", "bandwidth: 10/s is next to nothing"),
        (SMALL + "limits = m\n", "limits: there is no [limit m]; add one, with the title [limit m]"),
        (LIMITED, "[limit l]: limits nothing; add rate = 10r/s, connections = 4, or bandwidth = 1m/s"),
        (LIMITED + "rate = 10\n", "rate: '10' is not a rate; write 10r/s"),
        (LIMITED + "rate = 1r/s\nkey = {status}\n", "key: {status} is not known before there is an answer"),
        (LIMITED + "rate = 1r/s\nipv6_prefix = 129\n", "ipv6_prefix: 129 is too large; at most 128"),
        (LIMITED + "rate = 1r/s\nmemory = 10\n", "memory: 10 is too small; at least 1k"),
        (SMALL + "basic_auth = missing\n", "basic_auth: /"),
        (SMALL + "jwt = missing\n", "missing cannot be read"),
        (SMALL + "jwt = ftp://a/b\n", "cannot be read"),
        (SMALL + "jwt = https:///b\n", "jwt: 'https:///b' is not a URL"),
        (
            SMALL + "forward_auth = /verify\n",
            "forward_auth: '/verify' is not a URL; write for instance http://127.0.0.1:9000/verify",
        ),
        (SMALL + "forward_auth = http://user@host/\n", "is not a URL"),
        (SMALL + "forward_auth_headers = Connection\n", "forward_auth_headers: Connection says how the message travels"),
        (SMALL + "forward_auth_user = X:\n", "forward_auth_user: 'X:' is not the name of a header field"),
        (SMALL + "jwt_algorithms = none\n", "jwt_algorithms: 'none' is not known here"),
        (SMALL + "jwt_from = body\n", "jwt_from: 'body' is no place of a token; write bearer, cookie NAME or header NAME"),
        (SMALL + "jwt_headers = sub\n", "jwt_headers: 'sub' is not CLAIM HEADER; write for instance sub X-User"),
        (SMALL + "jwt = https://a/b\njwt_algorithms = HS256\n", "jwt_algorithms: a shared secret is not published at a URL"),
        (
            SMALL + "jwt = https://a/b\njwt_algorithms = HS256 RS256\n",
            "jwt_algorithms: shared secrets and key pairs stand together",
        ),
        (SMALL + "filters = tests.nothing:Here\n", "filters: tests.nothing cannot be imported"),
        (SMALL + "filters = tests.scenes.site_filters:Missing\n", "filters: tests.scenes.site_filters has no Missing"),
        (SMALL + "satisfy = some\n", "satisfy: 'some' is not known here"),
    ],
)
def test_mistakes_are_told_with_a_remedy(text: str, error: str) -> None:
    assert error in "\n".join(errors(text))


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (SMALL + "allow = all\n", "allow: all: everybody may in"),
        (SMALL + "deny = all\n", "deny: all: nobody may in"),
        (SMALL + "bandwidth_after = 1m\n", "bandwidth_after: has no effect without bandwidth"),
        (LIMITED + "connections = 1\nburst = 5\n", "burst: has no effect without rate"),
        (LIMITED + "rate = 1r/s\ndelay = yes\n", "delay: has no effect: burst is 0"),
        (LIMITED + "rate = 1r/s\nipv6_prefix = 128\n", "ipv6_prefix: 128: whoever has an IPv6 network"),
        (LIMITED + "rate = 1r/s\nkey = {header.x-api-key}\n", "key: is the client's own word"),
        (SMALL + "[limit l]\nrate = 1r/s\n", "[limit l]: is not used; name it by limits = l, or remove it"),
        (SMALL + "satisfy = any\n", "satisfy: has no effect: there is nothing to choose from"),
        (SMALL + "filters_timeout = 1s\n", "filters_timeout: has no effect without filters"),
        (SMALL + "jwt_leeway = 1m\n", "jwt_leeway: has no effect without jwt"),
        (SMALL + "forward_auth_timeout = 1m\n", "forward_auth_timeout: has no effect without forward_auth"),
        (SMALL + "basic_auth_delay = 1s\n", "basic_auth_delay: has no effect without basic_auth"),
        (SMALL + "jwt = https://a/b\n", "jwt: tokens that the issuer gave for other sites count, too"),
        (SMALL + "forward_auth = http://auth.internal/\n", "forward_auth: http://auth.internal/ is asked without TLS"),
        (
            SMALL + "forward_auth = http://127.0.0.1/\nforward_auth_on_error = open\n",
            "forward_auth_on_error: open: when the server fails",
        ),
        (SMALL + "forward_auth = http://127.0.0.1/\ndeny = 10.0.0.0/8\nsatisfy = any\n", "satisfy: any: whoever is not denied"),
    ],
)
def test_what_is_dangerous_or_without_effect_is_told(text: str, warning: str) -> None:
    assert warning in "\n".join(warnings(text))


def test_a_route_inherits_who_may_in_and_says_otherwise() -> None:
    text = "[defaults]\ndeny = 192.0.2.0/24\n" + SMALL + "[route /all]\npool = app\ndeny =\n"
    assert [route.deny for route in loaded(text).settings.routes] == [("192.0.2.0/24",), ()]


@pytest.mark.parametrize(
    ("users", "told"),
    [
        ("", "names nobody; add somebody with htpasswd -B"),
        ("anna:secret\n", "line 1 has a password in plain text, or in a form that is not known; let htpasswd -B write it"),
        ("anna\n", "line 1 is not NAME:HASH"),
    ],
)
def test_a_password_file_is_read_beforehand(tmp_path: Path, users: str, told: str) -> None:
    (tmp_path / "users").write_text(users)
    assert told in "\n".join(errors(SMALL + f"basic_auth = {tmp_path}/users\n"))


def test_weak_passwords_are_told(tmp_path: Path) -> None:
    (tmp_path / "users").write_text("anna:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    (told,) = warnings(SMALL + f"basic_auth = {tmp_path}/users\n")
    assert "1 passwords are hashed weakly; hash them anew with htpasswd -B" in told


def test_a_key_and_its_algorithms_go_together(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a secret of at least thirty-two bytes\n")
    text = SMALL + f"jwt = {tmp_path}/secret\njwt_audience = me\n"
    assert "it is neither PEM nor JSON; see jwt_algorithms" in "\n".join(errors(text))
    assert errors(text + "jwt_algorithms = HS256\n") == []
    assert "none of its keys is for" in "\n".join(errors(text.replace("secret", "key") + key_in(tmp_path)))


def key_in(directory: Path) -> str:
    """A public key of RSA in a file, and algorithms that it does not serve."""
    (directory / "key").write_bytes(RSAKey.generate_key(2048).as_pem(private=False))
    return "jwt_algorithms = ES256\n"
