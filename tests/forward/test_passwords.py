"""Password files, as htpasswd and openssl make them."""

from __future__ import annotations

import bcrypt
import pytest

from twistedproxy.forward.guards.passwords import WEAK, form_of, parse, verify

#: "secret" in every form; made with htpasswd and openssl passwd.
SECRET = {
    "bcrypt": "$2y$04$nueZZYzqLggT7zHqfqAgl.deaSkzeI.7YsV/Iu.U/J1QHgj6QWUbi",
    "apr1": "$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0",
    "md5": "$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
    "sha256": "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
    "sha512": "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1",
    "sha1": "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    "salted sha1": "{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0",
}


@pytest.mark.parametrize("form", SECRET)
def test_every_form_is_known_and_only_the_right_password_fits(form: str) -> None:
    stored = SECRET[form]
    assert form_of(stored) == form
    assert verify(stored, b"secret")
    for wrong in (b"", b"Secret", b"secret ", b"secre", b"secret\0", stored.encode()):
        assert not verify(stored, wrong)


def test_weak_forms_are_known_as_such() -> None:
    assert set(SECRET) - WEAK == {"bcrypt", "sha256", "sha512"}


@pytest.mark.parametrize(
    "stored", ["secret", "", "rl.3StKT.4T8M", "$2y$05$short", "{PLAIN}secret", "$6$rounds=999999999$a$b", "$7$x", "{SHA}x"]
)
def test_what_is_in_no_known_form_fits_nobody(stored: str) -> None:
    assert form_of(stored) is None
    assert not verify(stored, b"secret")
    assert not verify(stored, stored.encode())


def test_what_bcrypt_does_not_look_at_does_not_count() -> None:
    stored = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert verify(stored, b"x" * 80)
    assert not verify(stored, b"x" * 71)


def test_a_password_beyond_measure_is_nobodys() -> None:
    assert not verify(SECRET["sha512"], b"x" * 1_000_000)


def test_a_file_is_read_line_by_line() -> None:
    sha = SECRET["sha1"]
    users, bad = parse(
        f"# users\n\nanna:{sha}\r\notto:{sha}:a comment\nanna:{sha}\nplain:secret\n:{sha}\nnothing\nünal:{sha}".encode()
    )
    assert users == {b"anna": sha, b"otto": sha, "ünal".encode(): sha}
    assert [(line.number, line.reason.split()[0]) for line in bad] == [(5, "names"), (6, "has"), (7, "is"), (8, "is")]
