"""Python in the shell: what is shown, and that no mistake gets out."""

from __future__ import annotations

import signal
import sys
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from twistedproxy.admin import interpreter
from twistedproxy.admin.interpreter import Interpreter, VerbError


class Page:
    """A screen that keeps what was written."""

    def __init__(self) -> None:
        self.text = ""
        self.complaints = ""

    def show(self, text: str) -> None:
        self.text += text

    def complain(self, text: str) -> None:
        self.complaints += text

    show_later = show


def run(*lines: str, **names: Any) -> tuple[Interpreter, Page]:
    """Type *lines* at a fresh prompt."""
    page = Page()
    python = Interpreter(names, page)
    for line in lines:
        python.push(line)
    return python, page


def test_the_value_of_an_expression_is_shown_and_remembered() -> None:
    python, page = run("6 * 7", "_ + 1", "None")
    assert page.text == "42\n43\n"
    assert not python.failed


def test_a_statement_may_span_lines() -> None:
    page = Page()
    python = Interpreter({}, page)
    assert python.push("for number in (1, 2):")
    assert python.push("    print(number)")
    assert not python.push("")
    assert page.text == "1\n2\n"


def test_several_statements_run_until_one_fails() -> None:
    page = Page()
    python = Interpreter({}, page)
    python.run("a = 1; a + 1\n1 / 0\nprint('never')")
    assert page.text == "2\n"
    assert page.complaints == "ZeroDivisionError: division by zero\n"
    assert python.failed


@pytest.mark.parametrize("source", ["1 +", "def", "x = '", "\x00", "(" * 1000])
def test_what_is_not_python_is_told(source: str) -> None:
    page = Page()
    python = Interpreter({}, page)
    python.run(source)
    assert python.failed
    assert "Error" in page.complaints


def test_a_verb_that_cannot_is_one_line() -> None:
    def verb() -> None:
        raise VerbError("there is no pool 'ap'; did you mean 'app'?")

    _, page = run("verb()", verb=verb)
    assert page.complaints == "error: there is no pool 'ap'; did you mean 'app'?\n"


def test_a_mistyped_name_is_one_line_with_the_nearest() -> None:
    _, page = run("pool", "zzzzz", pools=1)
    assert page.complaints == "error: there is no 'pool'; did you mean pools?\nerror: there is no 'zzzzz'\n"


def test_what_fails_deeper_shows_where() -> None:
    _, page = run("def deep(): return {}['x']", "", "deep()")
    assert page.complaints.startswith("Traceback")
    assert "in deep" in page.complaints
    assert "interpreter.py" not in page.complaints


@pytest.mark.parametrize("source", ["raise SystemExit", "import sys; sys.exit(3)", "exit()"])
def test_exit_ends_the_session_only(source: str) -> None:
    python, _ = run(source, exit=sys.exit)
    assert python.ended


@pytest.mark.parametrize("source", ["raise KeyboardInterrupt", "raise GeneratorExit", "raise BaseException('x')"])
def test_no_exception_gets_out(source: str) -> None:
    python, page = run(source)
    assert python.failed
    assert page.complaints


def test_a_value_whose_repr_fails_is_told() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError("no words")

    class Endless:
        def __repr__(self) -> str:
            return repr(self)

    _, page = run("a", "b", a=Broken(), b=Endless())
    assert "ValueError: no words" in page.complaints
    assert "RecursionError" in page.complaints


def test_a_command_that_never_ends_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "PATIENCE", 0.02)
    before = signal.getsignal(signal.SIGALRM)
    python, page = run("while True: pass", "")
    assert page.complaints == "error: interrupted after 0.02 s: the proxy waits while a command runs\n"
    assert python.failed
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_too_much_output_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "MOST_OUTPUT", 10)
    _, page = run("'x' * 30")
    assert page.text == "'xxxxxxxxx\n… 23 more characters were left out\n"


def test_reading_from_the_keyboard_finds_nothing() -> None:
    before = sys.stdin
    _, page = run("input()")
    assert "EOFError" in page.complaints
    assert sys.stdin is before


def test_output_that_ends_without_a_newline_gets_one() -> None:
    _, page = run("print('a', end='')", "print('b')")
    assert page.text == "a\nb\n"


def test_a_deferred_shows_its_result_when_it_comes() -> None:
    waiting: Deferred[str] = Deferred()
    python, page = run("waiting", waiting=waiting)
    assert page.text == "… the result follows\n"
    assert python.pending == {waiting}
    waiting.callback("done")
    assert page.text == "… the result follows\n'done'\n"
    assert not python.pending


def test_a_deferred_that_fails_is_one_line() -> None:
    waiting: Deferred[str] = Deferred()
    python, page = run("waiting", waiting=waiting)
    waiting.errback(ValueError("the disk is full"))
    assert page.text.endswith("error: the disk is full\n")
    assert python.failed


STUBBORN = """
def f():
    try:
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
    except BaseException:
        while True:
            pass
while True:
    try:
        f()
    except BaseException:
        continue
"""


@pytest.mark.parametrize(
    "source",
    [
        STUBBORN,
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import itertools\nfor n in itertools.count():\n    try:\n        len(str(n))\n    except: pass",
        "def f(n):\n    try:\n        while True: n += 1\n    finally:\n        f(0)\nf(0)",
    ],
)
def test_not_even_a_command_that_catches_everything_goes_on(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setattr(interpreter, "PATIENCE", 0.02)
    before = signal.getsignal(signal.SIGALRM)
    page = Page()
    Interpreter({}, page).run(source)
    assert page.complaints
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    run("1")


def test_a_result_that_comes_later_and_cannot_be_shown_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "PATIENCE", 0.02)
    monkeypatch.setattr(interpreter, "MOST_OUTPUT", 100)

    class Bad:
        def __repr__(self) -> str:
            raise SystemExit

    class Slow:
        def __repr__(self) -> str:
            while True:
                pass

    first: Deferred[Any] = Deferred()
    second: Deferred[Any] = Deferred()
    third: Deferred[Any] = Deferred()
    _, page = run("first", "second", "third", first=first, second=second, third=third)
    first.callback(Bad())
    second.callback(Slow())
    third.callback("x" * 1000)
    assert "the result cannot be shown: SystemExit" in page.text
    assert "the result cannot be shown: Overrun" in page.text
    assert len(page.text) < 400


def test_recursion_without_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    _, page = run("f = lambda: f()", "f()")
    assert "RecursionError" in page.complaints
    assert len(page.complaints) < 5000
