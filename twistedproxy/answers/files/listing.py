"""What is in a directory, for people and for programs."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Final, NamedTuple
from urllib.parse import quote_from_bytes

from twistedproxy.answers.files.tree import NotServed, Tree
from twistedproxy.message import Field, Headers, ResponseHead

#: More names than these are not shown: a page that nobody reads would hold up the others.
MOST: Final = 5000
_KEPT: Final = "~!$&'()*+,;=@"
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")

_PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>body{{font:15px/1.6 system-ui,sans-serif;margin:2em}}td,th{{padding:0 1.5em 0 0;text-align:left}}\
td+td{{font-variant-numeric:tabular-nums;white-space:nowrap}}</style></head>
<body><h1>{title}</h1>
<table><tr><th>Name</th><th>Size</th><th>Changed (UTC)</th></tr>
{rows}</table>{note}</body>
</html>
"""


class Item(NamedTuple):
    """A name in a directory; *size*: bytes; *modified*: seconds since 1970."""

    name: bytes
    is_directory: bool
    size: int
    modified: float


def items(tree: Tree, path: bytes, *, dotfiles: bool) -> list[Item]:
    """
    What is in the directory at *path*: directories first, by name; at most one more than :data:`MOST`.

    It may wait for the disk.

    :raises OSError: it cannot be read
    """
    descriptor = tree.directory(path)
    try:
        with os.scandir(descriptor) as names:
            found = list(_served(tree, path, (os.fsencode(each.name) for each in names), descriptor, dotfiles=dotfiles))
    finally:
        os.close(descriptor)
    found.sort(key=lambda item: (not item.is_directory, item.name))
    return found


def _served(tree: Tree, path: bytes, names: Iterator[bytes], descriptor: int, *, dotfiles: bool) -> Iterator[Item]:
    left = MOST + 1
    for name in names:
        if name.startswith(b".") and not dotfiles:
            continue
        try:
            stat = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if S_ISLNK(stat.st_mode):
                # Shown only when it can be had.
                file = tree.open(path + name)
                stat = os.stat(name, dir_fd=descriptor) if file is None else os.fstat(file.descriptor)
        except (OSError, NotServed):
            continue
        if S_ISDIR(stat.st_mode) or S_ISREG(stat.st_mode):
            yield Item(name, S_ISDIR(stat.st_mode), stat.st_size, stat.st_mtime)
            left -= 1
            if not left:
                return


def page(path: bytes, found: list[Item], *, as_json: bool, has_parent: bool) -> tuple[ResponseHead, bytes]:
    """
    Head and body of the list.

    :param path: of the directory, as the client calls it
    :param has_parent: there is a directory above it that can be asked for
    """
    shown, more = found[:MOST], len(found) > MOST
    fields: list[Field] = [(b"Server", b"twistedproxy"), (b"Vary", b"Accept"), (b"X-Content-Type-Options", b"nosniff")]
    if as_json:
        fields.append((b"Content-Type", b"application/json"))
        body = json.dumps([_told(item) for item in shown], ensure_ascii=False).encode("utf-8", "replace")
    else:
        fields += [
            (b"Content-Type", b"text/html; charset=utf-8"),
            (b"Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'"),
        ]
        rows = ['<tr><td><a href="../">../</a></td><td></td><td></td></tr>\n'] if has_parent else []
        rows += [_row(item) for item in shown]
        note = f"\n<p>Only {MOST} names are shown.</p>" if more else ""
        title = html.escape(path.decode("utf-8", "replace"))
        body = _PAGE.format(title=title, rows="".join(rows), note=note).encode("utf-8", "replace")
    fields.append((b"Content-Length", b"%d" % len(body)))
    return ResponseHead(200, b"OK", Headers(fields), length=len(body)), body


def _row(item: Item) -> str:
    slash = "/" if item.is_directory else ""
    # "./" keeps a name with a colon from being read as a scheme (RFC 3986 §4.2).
    link = "./" + quote_from_bytes(item.name, _KEPT) + slash
    name = html.escape(item.name.decode("utf-8", "replace")) + slash
    size = "" if item.is_directory else _size(item.size)
    return f'<tr><td><a href="{html.escape(link)}">{name}</a></td><td>{size}</td><td>{_moment(item.modified)}</td></tr>\n'


def _told(item: Item) -> dict[str, object]:
    told: dict[str, object] = {
        "name": item.name.decode("utf-8", "replace"),
        "type": "directory" if item.is_directory else "file",
        "mtime": _moment(item.modified).replace(" ", "T") + "Z",
    }
    if not item.is_directory:
        told["size"] = item.size
    return told


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return "-"


def _size(number: int) -> str:
    value = float(number)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
