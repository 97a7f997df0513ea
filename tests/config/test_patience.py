"""Warnings about slow clients and buffers."""

from __future__ import annotations

import pytest

from tests.config.sites import warnings

SITE = """\
[listen http]
on = tcp:80
[pool app]
servers = a:1
[route /]
pool = app
"""


@pytest.mark.parametrize(
    ("knobs", "warning"),
    [
        ("min_rate = 0\nmin_rate_grace = 5s\n", "min_rate_grace: has no effect: min_rate is 0"),
        ("buffering = no\nbuffer_size = 1m\n", "buffer_size: has no effect: nothing is buffered"),
        ("total_timeout = 3s\n", "total_timeout: is over before a peer must have accepted the connection"),
    ],
)
def test_what_has_no_effect_is_told(knobs: str, warning: str) -> None:
    (told,) = warnings(SITE + knobs)
    assert warning in told


@pytest.mark.parametrize(
    "knobs",
    [
        "min_rate = 2k\nmin_rate_grace = 5s\n",
        "buffering = no\nrequest_buffering = yes\nbuffer_size = 1m\n",
        "buffer_size = 1m\n",
        "total_timeout = 30s\n",
    ],
)
def test_what_has_an_effect_is_not_told(knobs: str) -> None:
    assert warnings(SITE + knobs) == []
