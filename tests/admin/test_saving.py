"""What operators have changed, saved for the next start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.admin.site import HandClock, live_site, names
from tests.admin.test_changes import state
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.live import Live
from twistedproxy.balance.membership import Membership
from twistedproxy.balance.pool import Pool
from twistedproxy.config.effective import effective
from twistedproxy.config.load import load, load_text
from twistedproxy.config.problems import ConfigError

SITE = """
[site]
include = {include}
state_dir = var

[listen http]
on = tcp:127.0.0.1:8000

[pool app]
servers =
    app1:3000 weight=3
    app2:3000
    app3:3000 down
    https://app4:3443 backup

[route /]
pool = app
"""


class Stage:
    """A site file, and the pools that run by it."""

    def __init__(self, directory: Path, include: str = "saved*.ini", more: str = "") -> None:
        self.file = directory / "site.ini"
        self.saved = directory / "saved.ini"
        self.file.write_text(SITE.format(include=include) + more)
        self.live: Live = live_site(HandClock())
        self.live.file = str(self.file)
        self.run()
        self.verbs: dict[str, Any] = names(self.live)

    def run(self) -> None:
        """Start by the file."""
        live = self.live
        live.settings = load(str(self.file), {}).settings
        live.pools = {name: Pool(each, live.clock) for name, each in live.settings.pools.items()}
        old = live_site(HandClock()).memberships["app"]
        live.memberships = {name: Membership(pool, old._find, old._known, live.reactor) for name, pool in live.pools.items()}
        for membership in live.memberships.values():
            membership.startService()

    def reload(self) -> None:
        """Read the file again, as a reload does."""
        settings = load(str(self.file), {}).settings
        for name, membership in self.live.memberships.items():
            before, after = membership.pool.settings, settings.pools[name]
            membership.pool.revise_settings(after)
            membership.revise(before.servers, after.servers)
        self.live.settings = settings


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def brief(stage: Stage) -> list[Any]:
    return [(peer.name, peer.weight, peer.state, peer.will_ends, peer.tls, peer.backup) for peer in stage.live.pools["app"].peers]


def change_everything(verbs: dict[str, Any]) -> None:
    verbs["set_weight"]("app", "app1:3000", 0)
    verbs["drain"]("app", "app2:3000")
    verbs["restore"]("app", "app3:3000")
    verbs["remove_peer"]("app", "app4:3443")
    verbs["add_peer"]("app", "https://app5:3443 weight=2 slow_start=30s")
    verbs["add_peer"]("app", "app6:80")
    verbs["set_weight"]("app", "app6:80", 7)
    verbs["drain"]("app", "app6:80")


def test_what_differs_is_saved_and_a_reload_changes_nothing(stage: Stage) -> None:
    change_everything(stage.verbs)
    said = repr(stage.verbs["save"]()).splitlines()
    assert said == [f"6 changes are saved in {stage.saved}", "reload() makes it the site; nothing changes by that"]
    assert stage.saved.read_text().splitlines() == [
        "; Written by save() of the shell, which writes it anew each time: change nothing here.",
        "; 2027-01-15 08:00:00 UTC, by alice@laptop: 6 changes.",
        "",
        "[changes app]",
        "remove =",
        "    app4:3443",
        "change =",
        "    app1:3000 weight=0",
        "    app2:3000 drain",
        "    app3:3000 up",
        "add =",
        "    https://app5:3443 weight=2 slow_start=30s",
        "    app6:80 weight=7 drain",
    ]
    before = brief(stage)
    stage.reload()
    assert brief(stage) == before
    assert {peer.origin for peer in stage.live.pools["app"].peers} == {"site.ini"}
    stage.reload()
    assert brief(stage) == before
    # A start from nothing comes to the same, and so does a second save.
    text = stage.saved.read_text()
    stage.run()
    assert brief(stage) == before
    stage.verbs["save"]()
    assert stage.saved.read_text() == text


def test_changes_that_are_undone_leave_the_file_again(stage: Stage) -> None:
    change_everything(stage.verbs)
    stage.verbs["save"]()
    stage.reload()
    start = state(stage.live)
    stage.verbs["restore"]("app", "app2:3000")
    stage.verbs["set_weight"]("app", "app1:3000", 3)
    stage.verbs["remove_peer"]("app", "app6:80")
    stage.verbs["save"]()
    assert "app2" not in stage.saved.read_text()
    assert "app1" not in stage.saved.read_text()
    assert "app6" not in stage.saved.read_text()
    stage.verbs["undo"](since=stage.live.journal.changes[-3].number)
    assert state(stage.live) != start  # the peer that was removed is gone for good only when the save is not undone
    assert repr(stage.verbs["history"]()).splitlines()[-1].endswith("no: undo what it holds, and save() again")


def test_the_site_says_where_it_is_saved(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    stage = Stage(tmp_path, "mine*.ini", "[shell]\non = tcp:127.0.0.1:6022\nauthorized_keys = keys\nsave_to = mine.ini\n")
    stage.verbs["drain"]("app", "app2:3000")
    assert f"1 change is saved in {tmp_path / 'mine.ini'}" in repr(stage.verbs["save"]())
    assert "app2:3000 drain" in (tmp_path / "mine.ini").read_text()
    assert not stage.saved.exists()


def test_the_effective_site_says_what_was_saved(stage: Stage) -> None:
    change_everything(stage.verbs)
    stage.verbs["save"]()
    settings = load(str(stage.file), {}).settings
    text = effective(settings)
    assert "app1:3000 weight=0" in text
    assert "app6:80 weight=7 drain" in text
    assert load_text(text, str(stage.file), {}).settings.pools == settings.pools


def test_a_server_that_is_drained_in_the_file_is_so_from_the_start(stage: Stage) -> None:
    stage.file.write_text(stage.file.read_text().replace("app2:3000", "app2:3000 drain"))
    stage.run()
    peer = stage.live.pools["app"].peer("app2:3000")
    assert (str(peer.state), peer.why) == ("draining", "drain in site.ini")
    stage.verbs["restore"]("app", "app2:3000")
    assert peer.available
    stage.verbs["undo"]()
    assert str(peer.state) == "draining"
    for before, after, state_then in (
        ("app2:3000 drain", "app2:3000", "up"),
        ("app2:3000", "app2:3000 down", "in maintenance"),
        ("app2:3000 down", "app2:3000 drain", "draining"),
    ):
        stage.file.write_text(stage.file.read_text().replace(before, after))
        stage.reload()
        assert str(peer.state) == state_then


def test_nothing_differs(stage: Stage) -> None:
    assert repr(stage.verbs["save"]()) == f"nothing differs: {stage.saved} is empty"
    load(str(stage.file), {})


def test_what_ends_by_itself_and_who_was_found_are_not_saved(stage: Stage) -> None:
    stage.verbs["add_peer"]("app", "found:80 addresses=all")
    stage.verbs["set_weight"]("app", "10.0.0.1:80", 4)
    stage.verbs["drain"]("app", "app1:3000", minutes=5)
    said = repr(stage.verbs["save"]())
    assert "not saved: the drain of app1:3000, which ends by itself" in said
    assert "not saved: 10.0.0.1:80, which was found by found:80, has no line of its own" in said
    assert stage.saved.read_text().splitlines()[3:] == ["[changes app]", "add =", "    found:80 addresses=all"]
    stage.reload()
    assert stage.live.memberships["app"].names["found:80"].origin == "site.ini"


def test_a_site_that_does_not_include_the_file_is_told_how(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "conf.d/*.ini")
    stage.verbs["drain"]("app", "app1:3000")
    assert f"nothing reads it yet: write include = saved.ini into [site] of {stage.file}" in repr(stage.verbs["save"]())


def test_the_site_says_where_changes_are_saved(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    stage = Stage(tmp_path, "conf.d/*.ini")
    shell = "[shell]\non = tcp:127.0.0.1:2222\nauthorized_keys = keys\nsave_to = conf.d/operators.ini\n"
    stage.file.write_text(stage.file.read_text() + shell)
    (tmp_path / "conf.d").mkdir()
    stage.run()
    stage.verbs["drain"]("app", "app1:3000")
    stage.verbs["save"]()
    assert "app1:3000 drain" in (tmp_path / "conf.d" / "operators.ini").read_text()
    assert not stage.saved.exists()


def test_a_file_of_somebody_else_is_left_as_it_is(stage: Stage) -> None:
    stage.saved.write_text("[limit mine]\nkey = {client}\nrate = 1r/s\n")
    stage.verbs["drain"]("app", "app1:3000")
    with pytest.raises(VerbError, match=r"was not written by save\(\), and is left as it is"):
        stage.verbs["save"]()
    assert "mine" in stage.saved.read_text()


def test_a_site_with_errors_is_not_saved_to(stage: Stage) -> None:
    stage.verbs["drain"]("app", "app1:3000")
    stage.file.write_text("[nonsense]\n")
    with pytest.raises(VerbError, match="cannot be used as it is"):
        stage.verbs["save"]()
    assert not stage.saved.exists()


def test_what_the_site_could_not_be_used_with_is_not_saved(stage: Stage) -> None:
    stage.verbs["set_weight"]("app", "app1:3000", 4)
    stage.verbs["save"]()
    text = stage.saved.read_text()
    for peer in ("app1:3000", "app2:3000", "app3:3000", "app4:3443"):
        stage.verbs["remove_peer"]("app", peer)
    with pytest.raises(VerbError, match="nothing is saved, since the site could not be used with it"):
        stage.verbs["save"]()
    assert stage.saved.read_text() == text


def test_a_place_that_cannot_be_written_is_told(stage: Stage) -> None:
    stage.saved.mkdir()
    with pytest.raises(VerbError, match="cannot be read"):
        stage.verbs["save"]()
    with stage.verbs["dry_run"]():
        assert repr(stage.verbs["save"]()) == f"would: what differs is written to {stage.saved}"
    with pytest.raises(VerbError, match="was not started from a site file"):
        names(live_site())["save"]()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[changes ap]\nadd = a:80\n", "there is no pool 'ap'"),
        ("[changes app]\nadds = a:80\n", "did you mean add"),
        ("[changes app]\nadd = app1:3000\n", "app1:3000 is a server of the pool already"),
        ("[changes app]\nremove = app9:3000\n", "pool app has no server 'app9:3000'"),
        ("[changes app]\nchange = app1:3000 wait=3\n", "'wait=3' is not a change of a server"),
        ("[changes app]\nchange = app1:3000 weight=x\n", "weight"),
    ],
)
def test_saved_changes_that_do_not_fit_are_errors_with_a_remedy(stage: Stage, text: str, said: str) -> None:
    stage.saved.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load(str(stage.file), {})
