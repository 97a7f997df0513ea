"""revproxy explain, for routes that answer with files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenes.files import tree
from twistedproxy.cli import main


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/app.js", "file: the path names a file"),
        ("/docs/", "index: the path names a directory, whose index answers for it"),
        ("/docs", "directory: the path names a directory and lacks its slash"),
        ("/some/view", "fallback: the path names nothing that is there"),
        ("/.env", "hidden: names that begin with a dot"),
        ("/out", "outside: a symbolic link leads out"),
    ],
)
def test_explain_names_what_is_looked_for_and_what_answers(
    target: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path)
    (root / "out").symlink_to("../secret.txt")
    site = tmp_path / "site.ini"
    site.write_text("[listen http]\non = tcp:8080\n[route /]\nstatic = site\ntry_files = {path} {path}/ /index.html\n")
    assert main(["explain", str(site), "GET", f"http://example.com{target}"]) == 0
    told = capsys.readouterr().out
    assert said in told
    if target != "/.env":
        assert f"looked for: {root}{target}" in told
        assert f"looked for: {root}/index.html" in told
