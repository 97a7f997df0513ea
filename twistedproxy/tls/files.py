"""Files of ``state_dir`` that only the proxy reads: replaced in one step, never half written."""

from __future__ import annotations

import os


def write_private(path: str, data: bytes, *, lasting: bool = True) -> None:
    """
    Put *data* into the file *path*, which nobody else may read.

    :param lasting: it survives a power failure; that takes a while
    :raises OSError: it cannot be written; what was there is there still
    """
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    aside = f"{path}.new"
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)
        if lasting:
            file.flush()
            os.fsync(file.fileno())
    os.rename(aside, path)
