"""Who may log in, and the proxy's own key."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.error import ValidPublicKey
from twisted.conch.interfaces import IConchUser
from twisted.conch.ssh.keys import Key
from twisted.cred.credentials import SSHPrivateKey
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from tests.admin.site import Log, live_site
from twistedproxy.addresses import Tcp
from twistedproxy.admin.keys import AuthorizedKeys, fingerprint, host_key, read_authorized_keys
from twistedproxy.admin.manhole import make_shell_service
from twistedproxy.admin.roles import Role, Who
from twistedproxy.settings.operators import ShellSettings

ALICE = Key(Ed25519PrivateKey.generate())
MALLORY = Key(Ed25519PrivateKey.generate())


def line(key: Key, comment: str = "alice@laptop") -> str:
    return f"{key.public().toString('openssh', comment=comment).decode()}\n"


def login(path: Path, key: Key, *, signed: bool = True, signer: Key | None = None) -> Any:
    """What comes of a login with *key*: the avatar's id, or the exception."""
    message = b"session and request"
    signature = (signer or key).sign(message) if signed else None
    credentials = SSHPrivateKey(b"root", key.sshType(), key.public().blob(), message, signature)
    outcome: list[Any] = []
    waiting: Deferred[Any] = AuthorizedKeys(str(path)).requestAvatarId(credentials)
    waiting.addCallbacks(outcome.append, lambda failure: outcome.append(failure.value))
    return outcome[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "authorized_keys"
    file.write_text("# operators\n\n" + line(ALICE))
    return file


def test_a_key_of_the_file_logs_in_under_its_comment(path: Path) -> None:
    assert login(path, ALICE) == Who("alice@laptop", Role.PROGRAM, fingerprint(ALICE.public().blob()))


def test_a_key_without_a_comment_is_called_by_its_fingerprint(path: Path) -> None:
    path.write_text(line(ALICE, ""))
    assert login(path, ALICE).name == fingerprint(ALICE.public().blob())


def test_a_good_key_is_asked_for_its_signature_and_another_is_not(path: Path) -> None:
    assert isinstance(login(path, ALICE, signed=False), ValidPublicKey)
    assert isinstance(login(path, MALLORY, signed=False), UnauthorizedLogin)


def test_another_key_is_refused_and_named(path: Path) -> None:
    with Log() as log:
        assert isinstance(login(path, MALLORY), UnauthorizedLogin)
    assert log.lines == [f"shell: root was refused: the key {fingerprint(MALLORY.public().blob())} is not in {path}"]


def test_a_signature_of_somebody_else_is_refused(path: Path) -> None:
    assert isinstance(login(path, ALICE, signer=MALLORY), UnauthorizedLogin)


def test_an_edit_of_the_file_applies_at_the_next_login(path: Path) -> None:
    path.write_text(line(MALLORY, "mallory"))
    assert isinstance(login(path, ALICE), UnauthorizedLogin)
    assert login(path, MALLORY).name == "mallory"


def test_a_missing_file_refuses_everybody_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "authorized_keys"
    with Log() as log:
        assert isinstance(login(path, ALICE), UnauthorizedLogin)
    assert log.lines == [f"shell: every login is refused: {path}: No such file or directory"]


def test_a_file_that_everybody_may_write_refuses_everybody(path: Path) -> None:
    path.chmod(0o666)
    with Log() as log:
        assert isinstance(login(path, ALICE), UnauthorizedLogin)
    assert log.lines == [f"shell: every login is refused: {path}: everybody may write it; chmod o-w"]


def test_lines_with_options_or_nonsense_give_no_key(path: Path) -> None:
    path.write_text('from="10.0.0.1" ' + line(ALICE) + "ssh-ed25519\nssh-ed25519 !!!\n" + line(MALLORY, "mal\x1blory"))
    with Log() as log:
        keys = read_authorized_keys(str(path))
    assert [key.owner for key in keys] == ["mal\\x1blory"]
    assert [told.split(":")[1] for told in log.lines] == ["1", "2", "3"]
    assert "of options only role=" in log.lines[0]


def test_a_line_says_what_its_key_may_do(path: Path) -> None:
    path.write_text('role="observe" ' + line(ALICE) + "role=operate " + line(MALLORY, "mal lory"))
    assert login(path, ALICE).role is Role.OBSERVE
    assert (login(path, MALLORY).role, login(path, MALLORY).name) == (Role.OPERATE, "mal lory")


def test_the_site_says_what_the_other_keys_may_do(path: Path) -> None:
    path.write_text(line(ALICE) + "role=program " + line(MALLORY))
    settings = ShellSettings(on=(Tcp("127.0.0.1", 6022),), authorized_keys=str(path), role="observe")
    service: Any = make_shell_service(settings, str(path.parent), live_site(), MemoryReactorClock())
    told: list[Role] = []
    for key in (ALICE, MALLORY):
        credentials = SSHPrivateKey(b"root", key.sshType(), key.public().blob(), b"message", key.sign(b"message"))
        service._factory.portal.login(credentials, None, IConchUser).addCallback(lambda login: told.append(login[1].who.role))
    assert told == [Role.OBSERVE, Role.PROGRAM]


@pytest.mark.parametrize("option", ['role="root"', "role=", 'role="observe",from="x"', 'ROLE="', 'role="observe" from="x"'])
def test_an_option_that_is_no_role_gives_no_key(path: Path, option: str) -> None:
    path.write_text(f"{option} {line(ALICE)}")
    with Log() as log:
        assert read_authorized_keys(str(path)) == []
    assert 'role="' in log.lines[0]


def test_the_host_key_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    state_dir = tmp_path / "var"
    first = host_key(str(state_dir))
    assert first.sshType() == b"ssh-ed25519"
    assert stat.S_IMODE((state_dir / "ssh_host_key").stat().st_mode) == 0o600
    assert os.listdir(state_dir) == ["ssh_host_key"]
    assert host_key(str(state_dir)) == first


def test_a_host_key_that_others_can_read_is_told(tmp_path: Path) -> None:
    host_key(str(tmp_path))
    (tmp_path / "ssh_host_key").chmod(0o644)
    with Log() as log:
        host_key(str(tmp_path))
    assert "is open to others" in log.lines[0]
