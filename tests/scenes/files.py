"""A directory of files for scenes, and what a route answers of it."""

from __future__ import annotations

from pathlib import Path

from tests.kit.party import Message
from tests.kit.play import Play

PAGE = b"<h1>home</h1>"
SCRIPT = b"console.log(1)\n" * 20


def tree(root: Path) -> Path:
    """
    The directory ``site`` below *root*, with files, a directory with an index and one without, dotfiles; a secret is beside it.
    """
    site = root / "site"
    for name, content in {
        "index.html": PAGE,
        "app.js": SCRIPT,
        "docs/index.html": b"docs",
        "docs/a b.txt": b"blank",
        "docs/sch\u00f6n;v=1.txt": b"umlaut",
        "plain/one.bin": bytes(range(256)),
        "empty.css": b"",
        ".env": b"SECRET=1",
        ".git/config": b"SECRET=2",
        ".well-known/security.txt": b"Contact: mailto:a@example.com",
    }.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "secret.txt").write_bytes(b"SECRET=3")
    (root / "site-secret").mkdir()
    (root / "site-secret" / "secret.txt").write_bytes(b"SECRET=4")
    return site


def site_of(root: Path, more: str = "", title: str = "/") -> str:
    """A site with one route that serves *root*."""
    return f"[route {title}]\nstatic = {root}\n{more}"


def asked(root: Path, target: str = "/", fields: str = "", *, more: str = "", method: str = "GET", title: str = "/") -> Message:
    """What the client hears who asks for *target* with *fields*."""
    with Play(site_of(root, more, title)) as play:
        client = play.client()
        client.says(request(target, fields, method))
        answered = client.hears_message(head_only=method == "HEAD")
        # The connection ends where the request was malformed.
        assert client.overlooks() == b""
        return answered


def request(target: str = "/", fields: str = "", method: str = "GET") -> str:
    """A request as a play writes it."""
    return f"{method} {target} HTTP/1.1\nHost: example.com" + (f"\n{fields}" if fields else "")
