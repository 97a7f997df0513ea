"""Ways out of a directory that is served: none leads anywhere."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.kit.play import Play
from tests.scenes.files import SCRIPT, asked, request, site_of, tree
from twistedproxy.answers.files.finding import Finding
from twistedproxy.answers.files.paths import Candidates, file_path, is_hidden
from twistedproxy.answers.files.tree import NotServed
from twistedproxy.errors import RequestError
from twistedproxy.settings.routes import RouteSettings

SECRET = b"SECRET"

_UPS = (
    "..",
    "%2e%2e",
    "%2E%2e",
    ".%2e",
    "%2e.",
    "..%00",
    "%00..",
    "..%20",
    "...",
    "....",
    "..;",
    "..;a=b",
    "%252e%252e",
    "%25252e%25252e",
    "%c0%ae%c0%ae",
    "%e0%80%ae%e0%80%ae",
    "%f0%80%80%ae%f0%80%80%ae",
    "%ef%bc%8e%ef%bc%8e",
    "%u002e%u002e",
    "..%09",
    "..%0d",
    "..%0a",
    "\u2025".encode().decode("latin-1"),
    "..%ff",
)
_SLASHES = (
    "/",
    "//",
    "/./",
    "%2f",
    "%2F",
    "%252f",
    "%5c",
    "\\",
    "%255c",
    "%c0%af",
    "%e0%80%af",
    "%c1%9c",
    "%ef%bc%8f",
    "%u2215",
    "/%2f",
    "/;/",
    "%00/",
)
_PLACES = ("", "docs/", "none/", "docs/a%20b.txt/", ".well-known/", "%2f", "docs%2f", "docs\\")
_SECRETS = ("secret.txt", "site-secret/secret.txt", "site/.env", "site/.git/config")


def corpus() -> list[str]:
    """Targets that lead to a secret in some reading, each once."""
    found: dict[str, None] = {}
    for place in _PLACES:
        for up in _UPS:
            for slash in _SLASHES:
                for depth in (1, 2, 3):
                    steps = (up + slash) * depth
                    for secret in _SECRETS[: 2 if depth > 1 else 4]:
                        found[f"/{place}{steps}{secret}"] = None
    for absolute in (
        "/etc/passwd",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/file:///etc/passwd",
        "/C:/secret.txt",
        "/~root/secret.txt",
    ):
        found[absolute] = None
    for tail in ("%00", "%00.html", "::$DATA", "/.", "/..", ".", "%20", "~", "%3f", "#", ";", "%3b.txt"):
        found[f"/.env{tail}"] = None
        found[f"/%2e%65nv{tail}"] = None
    found["/" + "../" * 2000 + "secret.txt"] = None
    found["/" + "%2e%2e%2f" * 800 + "secret.txt"] = None
    found["/" + "a/" * 3000 + "../" * 1000 + "secret.txt"] = None
    found["/" + "x" * 7000] = None
    return [target for target in found if "#" not in target and "\n" not in target]


def test_no_target_names_a_secret(tmp_path: Path) -> None:
    root = tree(tmp_path)
    finding = Finding(RouteSettings(static=str(root)))
    targets = corpus()
    assert len(targets) > 20_000
    for target in targets:
        try:
            path = file_path(target.encode("latin-1"))
        except RequestError:
            continue
        if path is None or is_hidden(path):
            continue
        for each in Candidates(("{path}", "{path}/", "{path}.txt")).of(path):
            try:
                file = finding.tree.open(each.path)
            except (OSError, NotServed):
                continue
            assert file is None or SECRET not in file.read(0, 100), target


def test_no_target_is_answered_with_a_secret(tmp_path: Path) -> None:
    root = tree(tmp_path)
    more = "symlinks = yes\ntry_files = {path} {path}/ {path}.txt =404\n"
    statuses = set()
    with Play(f"[route a.example.com/]\nstatic = {root}\n[route b.example.com/]\nstatic = {root}\n{more}") as play:
        client = play.client()
        for number, target in enumerate(corpus()[::67]):
            client.says(f"GET {target} HTTP/1.1\r\nHost: {'ab'[number % 2]}.example.com\r\n\r\n".encode("latin-1"))
            answer = client.overlooks()
            assert SECRET not in answer, target
            statuses.add(answer[9:12])
            if client.was_ended:
                client = play.client()
    assert statuses <= {b"200", b"301", b"400", b"403", b"404", b"414"}


@pytest.mark.parametrize("to", ["../secret.txt", "../../secret.txt", "{root}/../secret.txt", "/etc/passwd", "out/secret.txt"])
def test_links_that_lead_out_are_refused(tmp_path: Path, to: str) -> None:
    root = tree(tmp_path)
    (root / "out").symlink_to("../site-secret")
    (root / "link").symlink_to(to.format(root=root))
    answered = asked(root, "/link")
    assert answered.status in (403, 404)
    assert SECRET not in answered.body
    assert asked(root, "/out/secret.txt").status == 403
    assert asked(root, "/out/secret.txt", more="symlinks = yes\n").body.startswith(SECRET)


def test_links_that_stay_inside_are_followed(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / "latest").symlink_to("docs")
    (root / "script").symlink_to(root / "app.js")
    (root / "docs" / "up").symlink_to("../app.js")
    (root / "deep").symlink_to("latest/../docs/up")
    assert asked(root, "/latest/a%20b.txt").body == b"blank"
    assert [asked(root, target).body for target in ("/script", "/docs/up", "/deep", "/latest/up")] == [SCRIPT] * 4


def test_links_in_circles_are_not_followed_for_ever(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (root / "circle").symlink_to("circle")
    (root / "here").symlink_to(".")
    assert asked(root, "/circle").status == 404
    assert asked(root, "/circle", more="symlinks = yes\n").status == 404
    assert asked(root, "/" + "here/" * 50 + "app.js").status == 404


def test_the_directory_itself_may_be_a_link_that_is_turned(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "app.js").write_bytes(b"new")
    current = tmp_path / "current"
    current.symlink_to(root)
    with Play(site_of(current)) as play:
        client = play.client()
        client.says(request("/app.js"))
        assert client.hears_message().body == SCRIPT
        (tmp_path / "next").symlink_to("new")
        (tmp_path / "next").rename(current)
        client.says(request("/app.js"))
        assert client.hears_message().body == b"new"


def test_a_file_that_was_sent_and_became_a_link_is_not_sent(tmp_path: Path) -> None:
    root = tree(tmp_path)
    with Play(site_of(root)) as play:
        client = play.client()
        for _ in range(2):
            client.says(request("/docs/a%20b.txt"))
            assert client.hears_message().body == b"blank"
        (root / "docs" / "a b.txt").unlink()
        (root / "docs" / "a b.txt").symlink_to(tmp_path / "secret.txt")
        client.says(request("/docs/a%20b.txt"))
        assert client.hears_message().status == 403
        (root / "docs").rename(root / "before")
        (tmp_path / "site-secret" / "a b.txt").write_bytes(SECRET)
        (root / "docs").symlink_to("../site-secret")
        client.says(request("/docs/a%20b.txt"))
        assert client.hears_message().status == 403


def test_what_is_exchanged_while_it_is_opened_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path)
    real = os.stat

    def exchanged(name: object, *more: object, **how: object) -> os.stat_result:
        found = real(name, *more, **how)
        if name == b"a b.txt":
            (root / "docs" / "a b.txt").unlink()
            (root / "docs" / "a b.txt").symlink_to(tmp_path / "secret.txt")
        elif name == b"plain":
            (root / "plain").rename(root / "before")
            (root / "plain").symlink_to(tmp_path / "site-secret")
        return found

    monkeypatch.setattr("twistedproxy.answers.files.tree.os.stat", exchanged)
    assert asked(root, "/docs/a%20b.txt").status == 404
    assert asked(root, "/plain/secret.txt").status == 404


def test_names_of_every_byte_can_be_asked_for(tmp_path: Path) -> None:
    root = tree(tmp_path)
    for value in range(1, 256):
        if value in b"/\\.":
            continue
        name = b"n" + bytes((value,))
        (root / os.fsdecode(name)).write_bytes(b"%d" % value)
        assert asked(root, "/" + quote(name)).body == b"%d" % value
