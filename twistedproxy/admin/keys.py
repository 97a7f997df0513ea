"""The keys of the shell: who may log in (authorized_keys), and the host key by which operators know the proxy."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.conch.error import ValidPublicKey
from twisted.conch.ssh.keys import Key
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ISSHPrivateKey
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, execute
from twisted.logger import Logger
from zope.interface import implementer

from twistedproxy.admin.roles import Role, Who
from twistedproxy.admin.tables import printable

log = Logger()

_KEY_TYPES: Final = (b"ssh-", b"ecdsa-", b"sk-")
_LARGEST_FILE: Final = 1024 * 1024
#: The proxy's own key, in state_dir.  Its public part may stand beside it, with .pub behind, for those who cannot read the key.
HOST_KEY: Final = "ssh_host_key"


@dataclass(frozen=True)
class AuthorizedKey:
    """
    A line of authorized_keys: the key as it goes over the wire, and the comment that says whose it is.

    :ivar role: what it may do; None: the line does not say it
    """

    blob: bytes
    comment: str
    role: Role | None = None

    @property
    def owner(self) -> str:
        """How the log calls who logs in with this key: the comment, or the fingerprint when there is none."""
        return self.comment or fingerprint(self.blob)


def fingerprint(blob: bytes) -> str:
    """A public key's fingerprint, as ``ssh-keygen -l`` writes it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def read_authorized_keys(path: str) -> list[AuthorizedKey]:
    """
    The keys in *path*, a file as for sshd.

    ``role="observe"`` (``operate``, ``program``) may stand before a key.  A line that cannot be understood, or that has other
    options (which would limit what its key may do), gives no key and a line in the log.

    Raises OSError when the file cannot be read, and PermissionError when everybody may write it.
    """
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_mode & stat.S_IWOTH:
            raise PermissionError(1, "everybody may write it; chmod o-w", path)
        text = file.read(_LARGEST_FILE)
    found = []
    for number, line in enumerate(text.split(b"\n"), 1):
        words = line.split(None, 2)
        if not words or words[0].startswith(b"#"):
            continue
        role = None
        try:
            if words[0].lower().startswith(b"role="):
                role = _role(words[0])
                words = line.split(None, 3)[1:]
            if not words or not words[0].startswith(_KEY_TYPES):
                raise ValueError('it does not begin with a type of key; of options only role="…" is understood here')
            blob = base64.b64decode(words[1], validate=True)
        except (ValueError, IndexError) as error:
            log.warn("{path}:{number}: no key is taken from this line: {error}", path=path, number=number, error=error)
            continue
        comment = words[2].decode("utf-8", "replace").strip() if len(words) > 2 else ""
        found.append(AuthorizedKey(blob, printable(comment), role))
    return found


def _role(option: bytes) -> Role:
    """What ``role="operate"`` says.  Raises ValueError."""
    text = option.partition(b"=")[2].decode("ascii", "replace")
    name = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    try:
        return Role(name)
    except ValueError:
        raise ValueError(f'{printable(text)} is no role; write role="observe", role="operate" or role="program"') from None


@implementer(ICredentialsChecker)
class AuthorizedKeys:
    """
    Lets in who has the private part of a key in *path*.

    The file is read at each login, so that an edit applies at once.  The avatar's id is a :class:`Who`.

    :param role: of keys whose lines do not say it
    """

    credentialInterfaces = (ISSHPrivateKey,)

    def __init__(self, path: str, role: Role = Role.PROGRAM) -> None:
        self.path = path
        self.role = role

    def requestAvatarId(self, credentials: Any) -> Deferred[Any]:
        """
        The key's owner, a :class:`Who`.

        The Deferred fails with ValidPublicKey when the key is good and its signature is still to come, and with
        UnauthorizedLogin when the login is refused.
        """
        return execute(self._check, credentials)

    def _check(self, credentials: Any) -> Who:
        try:
            keys = read_authorized_keys(self.path)
        except OSError as error:
            log.error("shell: every login is refused: {path}: {reason}", path=self.path, reason=error.strerror)
            raise UnauthorizedLogin("no authorized keys") from None
        found = next((key for key in keys if key.blob == credentials.blob), None)
        if found is None:
            log.info(
                "shell: {user} was refused: the key {fingerprint} is not in {path}",
                user=printable(credentials.username.decode("utf-8", "replace")),
                fingerprint=fingerprint(credentials.blob),
                path=self.path,
            )
            raise UnauthorizedLogin("the key is not authorized")
        if not credentials.signature:
            raise ValidPublicKey
        try:
            valid = Key.fromString(credentials.blob).verify(credentials.signature, credentials.sigData)
        except Exception as error:
            raise UnauthorizedLogin("the signature cannot be verified") from error
        if not valid:
            raise UnauthorizedLogin("the signature is wrong")
        return Who(found.owner, found.role or self.role, fingerprint(found.blob))


def host_key(state_dir: str) -> Key:
    """
    The proxy's own ed25519 key, kept in ``ssh_host_key`` of *state_dir* and made there when there is none.

    Raises OSError when it can be neither read nor written, and a conch BadKeyError when the file holds something else.
    """
    path = os.path.join(state_dir, HOST_KEY)
    with contextlib.suppress(FileExistsError):
        if not os.path.exists(path):
            _make_host_key(path)
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            log.warn("{path} is open to others; delete it to have a new one made, or chmod 600", path=path)
        key: Key = Key.fromString(file.read())
    return key


def _make_host_key(path: str) -> None:
    """Write a new key to *path*, complete or not at all.  Raises FileExistsError when somebody was faster."""
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    text = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    temporary = f"{path}.{os.getpid()}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    log.info("{path} was made: {fingerprint}", path=path, fingerprint=fingerprint(Key.fromString(text).public().blob()))
