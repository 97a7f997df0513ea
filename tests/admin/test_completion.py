"""Tab completion."""

from __future__ import annotations

import pytest

from tests.admin.site import live_site, names
from twistedproxy.admin.completion import complete


@pytest.mark.parametrize(
    ("text", "insert"),
    [
        ("dra", "in("),
        ("pool('", "ap"),
        ("pool('app').ru", "nning"),
        ("pool('app').peer", ""),
        ("pool('app').peer(", "'"),
        ("pool('app').peer('sp", "are:3000')"),
        ("x = pool(\"app\").peer('app1:3000').dr", "ain("),
        ("pool('app').peer('nobody').dr", ""),
        ("pool('nothing').", ""),
        ("drain('app').", ""),
        ("route('/api/').p5", "0"),
        ("route('/api/').p50('", ""),
        ("cache('static').pu", "rge("),
        ("connection(", ""),
        ("connection(2", ")"),
        ("x = dra", "in("),
        ("pools() and dra", "in("),
        ("live.se", "ttings"),
        ("live.settings.lis", "ten"),
        ("live.clock.adv", "ance("),
        ("drain(", "'ap"),
        ("drain('ap", ""),
        ("drain('app", "', "),
        ('drain("app', '", '),
        ("drain('app', ", "'"),
        ("drain('app', 'app1", ":3000')"),
        ("drain('api', ", "'api1:4000')"),
        ("drain('api', '", "api1:4000')"),
        ("set_weight('app','app2", ":3000', "),
        ("set_weight('app', 'app2:3000', ", ""),
        ("peers('api", "')"),
        ("help(", "'"),
        ("help('dra", "in')"),
        ("help(dra", "in("),
        ("cache(", "'static')"),
        ("purge('https://example.com/l", "ogo.svg')"),
        ("live.pools['ap", ""),
        ("live.pools['app", "']"),
        ("prin", "t"),
        ("whi", "le"),
        ("drain('nothing', '", ""),
        ("drain('app')", ""),
        ("nonsense.x", ""),
        ("live.nonsense.x", ""),
        ("1 + ", ""),
        ("'dr", ""),
    ],
)
def test_tab_inserts_what_is_certain(text: str, insert: str) -> None:
    assert complete(text, names(live_site())).insert == insert


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("drain(", ("'api'", "'app'")),
        ("drain('a", ("api", "app")),
        ("drain('app', '", ("app1:3000", "app2:3000", "spare:3000")),
        ("p", ("peers", "pool", "pools", "purge", "purge_all", "purge_prefix", "purge_tag")),
        ("live.pools['", ("api", "app")),
        ("live.l", ("life", "limits", "listeners", "logs")),
    ],
)
def test_tab_shows_the_choices(text: str, choices: tuple[str, ...]) -> None:
    assert complete(text, names(live_site())).choices == choices


def test_private_names_are_offered_only_when_asked_for() -> None:
    verbs = names(live_site())
    assert not any(choice.startswith("_") for choice in complete("live.", verbs).choices)
    assert complete("live.__dataclass_f", verbs).insert == "ields__"


def test_what_all_choices_share_is_inserted() -> None:
    assert complete("drain('app', 'a", names(live_site())).insert == "pp"
