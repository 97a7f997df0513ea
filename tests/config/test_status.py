"""What sites say of the status port."""

from __future__ import annotations

from pathlib import Path

from tests.config.sites import SMALL, errors, warnings

STRONG = "ann:$2b$04$" + "a" * 53 + "\n"
WEAK = "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"


def site(tmp_path: Path, lines: str, users: str = STRONG) -> str:
    (tmp_path / "users").write_text(users)
    return SMALL + f"[status]\nusers = {tmp_path}/users\n{lines}\n"


def test_a_public_port_where_everything_needs_a_login_is_sound(tmp_path: Path) -> None:
    assert warnings(site(tmp_path, "on = tcp:8404\nprotect = everything")) == []


def test_a_public_port_that_anybody_may_read_is_told(tmp_path: Path) -> None:
    (warning,) = warnings(site(tmp_path, "on = tcp:8404"))
    assert "*:8404 can be reached from other machines, and whoever reaches it sees the state; " in warning
    assert warning.endswith("write tcp:127.0.0.1:8404, or add protect = everything")


def test_weak_hashes_are_told(tmp_path: Path) -> None:
    (warning,) = warnings(site(tmp_path, "on = tcp:127.0.0.1:8404", WEAK))
    assert "users: 1 passwords are hashed weakly" in warning.replace(f"{tmp_path}/users: ", "")


def test_everything_cannot_be_protected_without_users() -> None:
    (error,) = errors(SMALL + "[status]\non = tcp:127.0.0.1:8404\nprotect = everything\n")
    assert "protect: everything: nobody could log in; add users = FILE, as htpasswd -B makes it" in error


def test_a_file_of_nobody_is_an_error(tmp_path: Path) -> None:
    (error,) = errors(site(tmp_path, "on = tcp:127.0.0.1:8404", "# later\n"))
    assert "names nobody" in error
