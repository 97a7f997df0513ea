"""The key that opens the demo's shell, made at the first start so that a newcomer needs no key of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_ssh_private_key

#: File names in the state directory; ``[shell] authorized_keys`` of etc/demo.ini names the second.
PRIVATE: Final = "demo_key"
PUBLIC: Final = "demo_key.pub"


def shell_key(directory: Path) -> Path:
    """
    The private key in *directory*, made together with its public half when it is not there; only its owner can read it.

    :raises OSError: a file cannot be read or written
    :raises ValueError: what stands in the file is no private key
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    private, public = directory / PRIVATE, directory / PUBLIC
    if private.exists():
        key = load_ssh_private_key(private.read_bytes(), None)
    else:
        key = Ed25519PrivateKey.generate()
        # Never readable by others, not even between making the file and writing it.
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b" demo\n"
    if not public.exists() or public.read_bytes() != line:
        public.write_bytes(line)
    return private
