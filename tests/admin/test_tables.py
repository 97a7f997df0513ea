"""Tables of the shell."""

from __future__ import annotations

import pytest

from twistedproxy.admin.tables import Column, count, duration, percent, printable, size, table

PEERS = (Column("PEER"), Column("STATE"), Column("WEIGHT", right=True), Column("BECAUSE", drop=1))
ROWS = [
    ("app1.internal:3000", "up", "3", "-"),
    ("app2.internal:3000", "down", "10", "3 checks failed, the last: connection refused"),
]


def test_a_table_aligns_its_columns() -> None:
    assert table(PEERS, ROWS, None) == (
        "PEER                STATE  WEIGHT  BECAUSE\n"
        "app1.internal:3000  up          3  -\n"
        "app2.internal:3000  down       10  3 checks failed, the last: connection refused"
    )


def test_a_table_that_is_too_wide_cuts_its_less_important_texts_first() -> None:
    assert table(PEERS, ROWS, 60) == (
        "PEER                STATE  WEIGHT  BECAUSE\n"
        "app1.internal:3000  up          3  -\n"
        "app2.internal:3000  down       10  3 checks failed, the las…"
    )


def test_then_it_leaves_columns_out() -> None:
    assert table(PEERS, ROWS, 45) == (
        "PEER                STATE  WEIGHT\n"
        "app1.internal:3000  up          3\n"
        "app2.internal:3000  down       10"
    )  # fmt: skip


def test_names_are_cut_when_nothing_else_is_left() -> None:
    assert table(PEERS, ROWS, 28) == (
        "PEER           STATE  WEIGHT\n"
        "app1.interna…  up          3\n"
        "app2.interna…  down       10"
    )  # fmt: skip


@pytest.mark.parametrize("width", range(1, 90))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert all(len(line) <= width for line in table(PEERS, ROWS, width).splitlines())


def test_control_characters_cannot_reach_the_terminal() -> None:
    assert printable("a\x1b[2Jb\r\n\x9b\u202e") == "a\\x1b[2Jb\\r\\n\\x9b\\u202e"
    assert "\x1b" not in table([Column("X")], [["\x1b]0;title\x07"]], 80)


@pytest.mark.parametrize(
    ("bytes_", "shown"),
    [(0, "0"), (1023, "1023"), (1024, "1.0k"), (1023 * 1024 + 1023, "1.0m"), (5 * 1024**3, "5.0g"), (5000 * 1024**4, "5000.0t")],
)
def test_sizes_read_as_in_a_site_file(bytes_: int, shown: str) -> None:
    assert size(bytes_) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (-1.0, "0.0ms"),
        (0.0004, "0.4ms"),
        (0.35, "350ms"),
        (0.9999, "1.0s"),
        (5.21, "5.2s"),
        (59.96, "1m00s"),
        (192, "3m12s"),
        (7500, "2h05m"),
        (86400 * 4 + 3 * 3600, "4d03h"),
    ],
)
def test_durations_read_as_in_a_site_file(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_numbers_are_easy_to_read() -> None:
    assert count(1234567) == "1,234,567"
    assert percent(1, 8) == "12%"
    assert percent(0, 0) == "-"
