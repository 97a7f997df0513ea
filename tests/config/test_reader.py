"""How a site file is written: lines, lists, comments, variables, and where each mistake is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.config.sites import SMALL, errors, loaded
from twistedproxy.config.problems import Problem
from twistedproxy.config.reader import read, written


def items_of(value: str, environ: dict[str, str] | None = None) -> list[tuple[str, int]]:
    """The items, with their lines, of a key whose text begins in line 2."""
    problems: list[Problem] = []
    (section,) = read(f"[a]\nkey ={value}", "f", environ or {}, problems)
    assert problems == []
    return [(item.text, item.line) for item in section.entries["key"].items]


def test_a_list_has_an_item_a_line_and_keeps_the_line_of_each() -> None:
    assert items_of(" one\n  two\n\n; a comment\n\tthree  ") == [("one", 2), ("two", 3), ("three", 6)]
    assert items_of("\n  one\n  two") == [("one", 3), ("two", 4)]


def test_a_comment_begins_at_the_start_of_a_line_or_after_a_blank() -> None:
    assert items_of(" 1 ; one") == [("1", 2)]
    assert items_of(" 1 # one") == [("1", 2)]
    assert items_of(" a;b#c") == [("a;b#c", 2)]
    assert items_of(" ; nothing") == []


def test_a_backslash_keeps_a_comment_sign() -> None:
    assert items_of(r" a \; b \#c") == [("a ; b #c", 2)]
    assert items_of(r" a\;b") == [(r"a\;b", 2)]


def test_windows_line_ends_and_a_byte_order_mark_are_understood() -> None:
    assert loaded("\ufeff" + SMALL.replace("\n", "\r\n")).settings == loaded(SMALL).settings


def test_an_indented_title_is_an_item_so_that_addresses_can_begin_with_a_bracket() -> None:
    assert items_of("\n    [::1]:80") == [("[::1]:80", 3)]


def test_a_variable_is_put_in_after_comments_are_cut_off() -> None:
    assert items_of(" x-${A}", {"A": "secret # 1"}) == [("x-secret # 1", 2)]


def test_a_default_stands_in_for_a_variable_that_is_unset_or_empty() -> None:
    assert items_of(" ${A:-b c}") == [("b c", 2)]
    assert items_of(" ${A:-b}", {"A": ""}) == [("b", 2)]
    assert items_of(" ${A:-}") == []


def test_two_dollar_signs_stand_for_a_brace_that_is_no_variable() -> None:
    assert items_of(" $${A} $$ $1") == [("${A} $$ $1", 2)]


def test_a_title_may_have_a_variable() -> None:
    site = loaded(SMALL + "[route ${HOST}/x]\npool = app\n", {"HOST": "example.com"})
    assert site.settings.routes[1].matches[0].host == "example.com"


def test_an_unset_variable_is_one_error_and_no_second_about_the_key() -> None:
    text = SMALL + "[pool b]\nservers = ${NOWHERE}\n"
    assert errors(text) == ["9 [pool b] servers: the environment has no NOWHERE; set it, or write ${NOWHERE:-default}"]


def test_a_variable_with_a_line_break_is_refused() -> None:
    assert errors(SMALL + "[pool b]\nservers = ${A}\n", {"A": "a:1\nb:2"}) == [
        "9 [pool b] servers: A of the environment has a control character or a line break; set it to one line of text"
    ]


def test_a_broken_variable_is_shown_with_the_way_to_write_one() -> None:
    assert errors(SMALL + "[pool b]\nservers = ${1a}\n") == [
        "9 [pool b] servers: ${1a} is not a variable of the environment; write ${NAME} or ${NAME:-default}, and $${ for ${ itself"
    ]


def test_each_kind_of_broken_line_is_shown_where_it_stands() -> None:
    text = (
        "early = 1\n  lost\n"
        + SMALL
        + "[pool\nskipped = 1\n[cache c]\n  lost\ndirectory: /x\ndirectory = /x\nmax_size = 1\x07k\n"
    )
    assert errors(text) == [
        "1: early stands before the first section; open one with [kind name]",
        "2: an indented line continues nothing; keys and titles begin at the start of the line",
        "10: the title [pool has no closing bracket; write [kind name]",
        "13 [cache c]: an indented line continues nothing; keys and titles begin at the start of the line",
        "14 [cache c]: 'directory: /x' is neither a section, nor a key, nor an item of a list; write directory = /x",
        "16 [cache c] directory: a control character stands in the line; remove it",
    ]


def test_a_key_that_stands_twice_names_the_line_of_the_first() -> None:
    assert errors(SMALL + "[pool b]\nservers = a:1\nservers = b:1\nrise = 1\nrise = 2\n") == [
        "10 [pool b] servers: is set twice; the first stands in line 9; items of one list go on indented lines below the key",
        "12 [pool b] rise: is set twice; the first stands in line 11; remove one",
    ]


def test_a_second_value_of_a_single_one_is_shown() -> None:
    assert errors(SMALL + "[route /x]\npool = app\n  tries = 2\n")[0] == (
        "10 [route /x] pool: takes one value, and there are 2 lines; write the next key at the start of its line"
    )


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).map(lambda text: text.strip(" \t")))
def test_whatever_is_written_is_read_back(text: str) -> None:
    assert [item for item, _ in items_of(f"\n    {written(text)}")] == ([text] if text else [])


@given(st.text())
def test_no_text_makes_the_reader_fail(text: str) -> None:
    problems: list[Problem] = []
    read(text, "f", {}, problems)
    assert all(problem.line > 0 for problem in problems)
