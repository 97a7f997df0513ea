"""The verbs by which peers come and go, and drains that end."""

from __future__ import annotations

import pytest

from tests.admin.site import START, HandClock, Log, live_site, names
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.page import page
from twistedproxy.admin.status import snapshot
from twistedproxy.balance.drains import Drains
from twistedproxy.balance.peer import PeerState


def test_a_peer_is_added_as_site_ini_would_name_it() -> None:
    live = live_site()
    verbs = names(live)
    with Log() as log:
        said = repr(verbs["add_peer"]("app", "https://app4:3443 weight=2 backup"))
    assert said == "app4:3443 is up; remove_peer('app', 'app4:3443') takes it out"
    peer = live.pools["app"].peer("app4:3443")
    assert (peer.weight, peer.backup, peer.tls, peer.origin) == (2, True, True, "shell")
    assert "shell: alice@laptop: add_peer('app', 'https://app4:3443 weight=2 backup')" in log.lines
    header, *rows = repr(verbs["peers"]("app")).splitlines()
    assert header.split()[:4] == ["PEER", "FROM", "ADDRESSES", "STATE"]
    assert rows[0].split()[:4] == ["app1:3000", "site.ini", "-", "up"]
    assert rows[-1].split()[:6] == ["app4:3443", "shell", "10.1.1.1", "fd00::1", "up,", "backup"]


def test_a_name_by_which_peers_are_found_is_followed_until_it_is_removed() -> None:
    live = live_site()
    live.memberships["app"].startService()
    verbs = names(live)
    said = repr(verbs["add_peer"]("app", "found:80 addresses=all"))
    assert said == "found:80 is followed from now on; peers('app') shows who was found"
    assert [peer.origin for peer in live.pools["app"].peers[3:]] == ["found:80"] * 2
    assert "5 of 5 up  found:80" in repr(verbs["pools"]())
    state = snapshot(live)["pools"]["app"]
    assert state["names"] == [{"name": "found:80", "origin": "shell", "peers": 2, "problem": None}]
    assert state["peers"][3]["origin"] == "found:80"
    with pytest.raises(VerbError, match=r"10\.0\.0\.1:80 is found by found:80 and would come back: drain it, or remove found:80"):
        verbs["remove_peer"]("app", "10.0.0.1:80")
    live.pools["app"].peer("10.0.0.1:80").begin()
    said = repr(verbs["remove_peer"]("app", "found:80"))
    assert said == "found:80 is removed with 2 peers, 1 attempt still running"
    assert len(live.pools["app"].peers) == 3
    # Who is on the way out is shown until it is out.
    assert "removed" in repr(verbs["peers"]("app"))


def test_a_peer_of_the_site_is_removed() -> None:
    live = live_site()
    verbs = names(live)
    with Log() as log:
        assert repr(verbs["remove_peer"]("app", "app2:3000")) == "app2:3000 is removed, nothing runs there"
    assert [peer.name for peer in live.pools["app"].peers] == ["app1:3000", "spare:3000"]
    assert "shell: alice@laptop: remove_peer('app', 'app2:3000')" in log.lines


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("app4", "'app4' has no port; write app4:80, or https://app4"),
        ("app4:80 wieght=2", "did you mean weight=N"),
        ("app1:3000", "pool app has a peer app1:3000 already"),
        ("unix:app.sock", "'unix:app.sock' begins in no directory here; write unix:/…"),
        ("", "a server is written as in site.ini"),
        (4, "a server is written as in site.ini"),
    ],
)
def test_what_cannot_be_added(line: object, said: str) -> None:
    with pytest.raises(VerbError, match=said):
        names(live_site())["add_peer"]("app", line)


def test_whoever_is_removed_must_be_there() -> None:
    with pytest.raises(VerbError, match="did you mean 'app1:3000'"):
        names(live_site())["remove_peer"]("app", "ap1:3000")
    with pytest.raises(VerbError, match="there is no pool 'ap'; did you mean 'app'"):
        names(live_site())["add_peer"]("ap", "app4:80")


def test_a_drain_with_a_deadline_ends_by_itself() -> None:
    clock = HandClock()
    live = live_site(clock)
    pool = live.pools["app"]
    Drains(pool, clock).startService()
    verbs = names(live)
    with Log() as log:
        said = repr(verbs["drain"]("app", "app1:3000", minutes=10))
    assert said == "app1:3000 is draining, nothing runs there; it comes back in 10m00s, or by restore('app', 'app1:3000')"
    assert "shell: alice@laptop: drain('app', 'app1:3000', seconds=600)" in log.lines
    clock.advance(60)
    assert "draining for 9m00s" in repr(verbs["peers"]("app"))
    assert snapshot(live)["pools"]["app"]["peers"][0]["until"] == START + 600
    clock.advance(540)
    assert pool.peer("app1:3000").state is PeerState.UP


@pytest.mark.parametrize(
    "time", [{"minutes": "10"}, {"seconds": -1}, {"minutes": True}, {"seconds": 0}, {"minutes": float("nan")}]
)
def test_a_time_is_a_number_of_some_length(time: dict[str, object]) -> None:
    with pytest.raises(VerbError, match=r"minutes and seconds are numbers|no time is none"):
        names(live_site())["drain"]("app", "app1:3000", **time)


def test_the_page_tells_where_peers_came_from_and_how_long_they_stay_away() -> None:
    live = live_site()
    verbs = names(live)
    verbs["add_peer"]("app", "app4:80")
    verbs["drain"]("app", "app4:80", minutes=10)
    live.pools["app"].peer("spare:3000").begin()
    verbs["remove_peer"]("app", "spare:3000")
    verbs["add_peer"]("app", "found:80 addresses=all")
    live.memberships["app"].names["found:80"].problem = "no name server answers"
    shown = page(snapshot(live))
    assert "Pool app: 2 of 3 up (found:80: no name server answers)" in shown
    assert "app4:80, from shell</td><td>draining for 10m00s" in shown
    assert "spare:3000 (backup)</td><td>removed" in shown
    assert "found:80 (no name server answers)" in repr(verbs["pools"]())
