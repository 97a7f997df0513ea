"""The shell and the status page tell which certificates are shown, and the shell has them read again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.admin.site import live_site, names
from tests.tls.files import Said, Shelf
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.admin.status import snapshot
from twistedproxy.tls.parts import TlsParts
from twistedproxy.tls.watch import Watch

END = datetime(2027, 4, 1, tzinfo=UTC)


def site(tmp_path: Path) -> tuple[Live, Shelf, Watch]:
    shelf = Shelf(tmp_path)
    shelf.put(shelf.authority.issue("a.example", "*.b.example", expires=END))
    hands, _, watch = shelf.watched(tmp_path)
    return replace(live_site(), clock=hands, certificates=TlsParts(watches={"site": watch})), shelf, watch


def test_certificates_are_listed(tmp_path: Path) -> None:
    live, _, _ = site(tmp_path)
    title, row = repr(names(live)["certificates"]()).splitlines()
    assert title.split() == ["TLS", "NAMES", "KEY", "EXPIRES", "LEFT", "FROM", "ISSUER", "STAPLE", "PROBLEM"]
    assert row.split("  ")[0] == "site"
    assert "a.example *.b.example  ECDSA  2027-04-01  75d" in row
    assert "CN=Test Authority" in row


def test_a_site_without_tls_has_none() -> None:
    assert repr(names(live_site())["certificates"]()) == "no certificates"
    assert snapshot(live_site())["certificates"] == []


def test_the_status_page_tells_of_them(tmp_path: Path) -> None:
    live, shelf, _ = site(tmp_path)
    (told,) = snapshot(live)["certificates"]
    assert told["names"] == ["a.example", "*.b.example"]
    assert (told["tls"], told["key"], told["from"], told["file"]) == ("site", "ECDSA", "certificates", shelf.place.chain)
    assert told["expires"] == END.timestamp()
    assert (told["staple"], told["problem"], told["renewals"]) == (None, None, 0)
    assert len(told["fingerprint"]) == 64


def _result(deferred: Any) -> str:
    found: list[Any] = []
    deferred.addCallback(found.append)
    return repr(found[0])


def test_files_are_read_again_when_the_operator_says_so(tmp_path: Path) -> None:
    live, shelf, watch = site(tmp_path)
    verbs = names(live)
    shelf.put(shelf.authority.issue("c.example", expires=END))
    with Said() as said:
        assert _result(verbs["reload_certificates"]()) == "[tls site]: read again"
    assert "shell: alice@laptop: reload_certificates()" in said.told
    assert watch.servers[0].credentials[0].names == ("c.example",)
    with pytest.raises(VerbError, match=r"there is no \[tls sites\] that is used; known: 'site'"):
        verbs["reload_certificates"]("sites")


def test_what_cannot_be_used_is_told_at_once_and_shown_in_the_table(tmp_path: Path) -> None:
    live, shelf, _ = site(tmp_path)
    verbs = names(live)
    Path(shelf.place.chain).write_bytes(b"nonsense")
    with Said() as said:
        answer = _result(verbs["reload_certificates"]("site"))
    assert "do not hold a certificate and its key" in answer
    assert answer.endswith("what was shown before is shown on")
    assert len(said.lines) == 1
    assert "do not hold a certificate" in repr(verbs["certificates"]())
    assert "do not hold a certificate" in snapshot(live)["certificates"][0]["problem"]
