"""Two sites held against each other."""

from __future__ import annotations

from tests.config.sites import loaded
from twistedproxy.config.plan import Change, Deed, plan

SITE = """\
[listen http]
on = tcp:8080
[pool app]
servers =
    a:1
    b:1 weight=3
[route /]
pool = app
[route /api/]
pool = app
read_timeout = 10s
request_headers = set Authorization secret
"""


def planned(*replacements: tuple[str, str]) -> list[str]:
    """What replacing each first text by the second changes."""
    after = SITE
    for old, new in replacements:
        assert old in after
        after = after.replace(old, new)
    return str(plan(loaded(SITE).settings, loaded(after).settings)).splitlines()


def test_the_same_site_changes_nothing() -> None:
    same = plan(loaded(SITE).settings, loaded(SITE + "; a comment\n").settings)
    assert not same
    assert str(same) == same.brief == "nothing has changed"


def test_a_value_is_told_as_it_was_and_as_it_is() -> None:
    assert planned(("read_timeout = 10s", "read_timeout = 250ms")) == ["~ [route /api/] read_timeout: 10s → 250ms"]


def test_a_key_that_goes_has_its_default_and_one_without_has_nothing() -> None:
    assert planned(("read_timeout = 10s\n", "")) == ["~ [route /api/] read_timeout: 10s → 1m"]
    assert planned(("b:1 weight=3\n", "b:1 weight=3\ncheck = tcp\n")) == ["~ [pool app] check: nothing → tcp"]


def test_of_a_list_only_what_came_and_went_is_told() -> None:
    assert planned(("    a:1\n", "    c:1\n")) == ["~ [pool app] servers: - a:1, + c:1"]
    assert planned(("    a:1\n    b:1 weight=3\n", "    b:1 weight=3\n    a:1\n")) == ["~ [pool app] servers: in another order"]


def test_sections_come_and_go() -> None:
    assert planned(("[route /api/]", "[route /v2/]"), ("[listen http]", "[listen web]")) == [
        "+ [listen web]",
        "- [listen http]",
        "+ [route /v2/]",
        "- [route /api/]",
    ]


def test_a_section_without_a_name_is_told_by_its_kind() -> None:
    changes = plan(loaded(SITE).settings, loaded(SITE + "[status]\non = tcp:127.0.0.1:1\n").settings)
    assert changes.changes == (Change(Deed.ADDED, "status", ""),)
    assert str(changes) == "+ [status]"


def test_routes_that_are_named_alike_are_told_by_their_listeners() -> None:
    both = SITE + "[listen two]\non = tcp:8081\n[route /]\npool = app\nlisten = two\n"
    changed = both.replace("listen = two\n", "listen = two\ntries = 9\n")
    assert str(plan(loaded(both).settings, loaded(changed).settings)) == "~ [route / (listen = two)] tries: 3 → 9"


def test_logs_hear_of_keys_but_not_of_values_which_may_be_secret() -> None:
    after = SITE.replace("secret", "other").replace("read_timeout = 10s\n", "")
    changes = plan(loaded(SITE).settings, loaded(after).settings)
    assert "other" in str(changes)
    assert changes.brief == "~ [route /api/] (read_timeout, request_headers)"
