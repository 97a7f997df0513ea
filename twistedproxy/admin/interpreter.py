"""
Python for the shell: runs what an operator types, and survives it.

A mistake must not harm the proxy, which waits while a command runs: every exception ends here (``sys.exit()`` ends the
session only), a command that runs for too long is interrupted, its output is bounded, and reading from standard input
finds nothing instead of waiting.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import io
import sys
import traceback
from codeop import CommandCompiler
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twistedproxy.admin.ongoing import Ongoing
from twistedproxy.admin.patience import Overrun, Patience, Step, run
from twistedproxy.spelling import nearest

#: Seconds after which a command is interrupted.
PATIENCE: Final = 5.0
#: Characters that one command may print.
MOST_OUTPUT: Final = 1024 * 1024
#: Characters of a statement that spans lines.
_MOST_SOURCE: Final = 256 * 1024


class VerbError(Exception):
    """A verb cannot do what was asked; the text is one line that says why, and what is possible instead."""


class Screen(Protocol):
    """Where an operator reads."""

    def show(self, text: str) -> None:
        """What a command prints, while it runs."""

    def complain(self, text: str) -> None:
        """That a command failed, while it runs."""

    def show_later(self, text: str) -> None:
        """What follows after a command has returned: the results of Deferreds."""

    def follow(self, ongoing: Ongoing) -> None:
        """Show something that goes on, from the end of the command."""


class Output(io.TextIOBase):
    """Where a command prints: passes at most MOST_OUTPUT characters on and says what it left out."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._room = MOST_OUTPUT
        self._left_out = 0
        self._line_open = False

    def writable(self) -> bool:
        """True, as for every output."""
        return True

    def write(self, text: str) -> int:
        """Print *text*, as far as there is room."""
        shown = text[: self._room]
        self._room -= len(shown)
        self._left_out += len(text) - len(shown)
        if shown:
            self._write(shown)
            self._line_open = not shown.endswith("\n")
        return len(text)

    def finish(self) -> None:
        """End the last line, and tell how much was left out."""
        if self._line_open:
            self._write("\n")
        if self._left_out:
            self._write(f"… {self._left_out:,} more characters were left out\n")


class Interpreter:
    """
    One operator's Python.

    :ivar namespace: the names that the operator sees
    :ivar buffer: the lines so far of a statement that is not complete
    :ivar failed: the last command failed
    :ivar ended: the operator asked to leave (``exit()``)
    :ivar pending: Deferreds that commands left as their values and that have no result yet
    :ivar heard: told of each command, with ``ok`` or what went wrong
    """

    def __init__(self, namespace: dict[str, Any], screen: Screen) -> None:
        self.namespace = namespace
        self.heard: Callable[[str, str], None] = _nobody
        self.buffer: list[str] = []
        self.failed = False
        self.ended = False
        self.pending: set[Deferred[Any]] = set()
        self._screen = screen
        self._compile = CommandCompiler()

    def resetBuffer(self) -> None:
        """Forget the lines of an incomplete statement."""
        self.buffer = []

    def push(self, line: str) -> bool:
        """Take a line; run the statement when it is complete.  True when more lines are needed."""
        self.buffer.append(line)
        source = "\n".join(self.buffer)
        try:
            if len(source) > _MOST_SOURCE:
                raise SyntaxError("the statement is too long")
            if self._compile(source, "<shell>", "single") is None:
                return True
            steps = self.steps(source)
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
            self.buffer = []
            self._misread(source, error)
            return False
        self.buffer = []
        self._execute(source, steps)
        return False

    def run(self, source: str) -> None:
        """Run every statement of *source*, until one fails; values of expressions are printed as at the prompt."""
        try:
            if len(source) > _MOST_SOURCE:
                raise SyntaxError("the command is too long")
            steps = self.steps(source)
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
            self._misread(source, error)
            return
        self._execute(source, steps)

    def steps(self, source: str) -> list[Step]:
        """The statements of *source*; raises what compiling it does."""
        compiled = [compile(ast.Interactive([statement]), "<shell>", "single") for statement in ast.parse(source, "<shell>").body]
        return [partial(exec, code, self.namespace) for code in compiled]

    def display(self, value: object) -> None:
        """Show the *value* of an expression, while it is run."""
        sys.displayhook(value)

    def _misread(self, source: str, error: BaseException) -> None:
        self.failed = True
        complaint = "".join(traceback.format_exception_only(error))
        self._screen.complain(complaint[:MOST_OUTPUT])
        self.heard(source, complaint)

    def _execute(self, source: str, steps: Iterable[Step]) -> None:
        output = Output(self._screen.show)
        complaint = ""
        try:
            with Patience(PATIENCE), self._streams(output):
                try:
                    run(steps)
                except SystemExit as leaving:
                    self.ended = True
                    if leaving.code not in (None, 0):
                        complaint = f"{leaving.code}\n"
                except VerbError as error:
                    complaint = f"error: {error}\n"
                except Overrun:
                    raise
                except BaseException as error:
                    complaint = self._story(error)
        except Overrun:
            complaint = f"error: interrupted after {PATIENCE:g} s: the proxy waits while a command runs\n"
        output.finish()
        self.failed = bool(complaint)
        if complaint:
            self._screen.complain(complaint[:MOST_OUTPUT])
        if source.strip():
            self.heard(source, complaint or "ok")

    @contextlib.contextmanager
    def _streams(self, output: Output) -> Iterator[None]:
        shown = sys.displayhook
        stdin = sys.stdin
        sys.displayhook = lambda value: self._show(value, output)
        sys.stdin = io.StringIO()
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                yield
        finally:
            sys.displayhook = shown
            sys.stdin = stdin

    def _show(self, value: object, output: Output) -> None:
        if value is None:
            return
        self.namespace["_"] = value
        if isinstance(value, Ongoing):
            self.pending.add(value.done)
            value.done.addBoth(lambda _: self.pending.discard(value.done))
            self._screen.follow(value)
            return
        if isinstance(value, Deferred):
            self._await(value)
            if value in self.pending:
                output.write("… the result follows\n")
            return
        output.write(f"{value!r}\n")

    def _await(self, deferred: Deferred[Any]) -> None:
        def done(result: Any) -> Any:
            self.pending.discard(deferred)
            if isinstance(result, Failure):
                self.failed = True
                self._screen.show_later(f"error: {result.getErrorMessage()[:MOST_OUTPUT]}\n")
                return None
            if result is not None:
                self._screen.show_later(self._shown_later(result))
            return result

        self.pending.add(deferred)
        deferred.addBoth(done)

    def _shown_later(self, result: object) -> str:
        """*result* for the screen, whatever becomes of showing it."""
        lines: list[str] = []
        try:
            with Patience(PATIENCE):
                run([lambda: lines.append(f"{result!r}\n")])
        except BaseException as error:
            self.failed = True
            return f"error: the result cannot be shown: {type(error).__name__}\n"
        return lines[0] if len(lines[0]) <= MOST_OUTPUT else f"{lines[0][:MOST_OUTPUT]}…\n"

    def _story(self, error: BaseException) -> str:
        """What went wrong: one line for a slip at the prompt, a traceback for what failed deeper."""
        if isinstance(error, NameError) and error.name:
            close = nearest(error.name, [*self.namespace, *vars(builtins)])
            hint = f"; did you mean {close}?" if close else ""
            return f"error: there is no {error.name!r}{hint}\n"
        inner = error.__traceback__
        while inner is not None and inner.tb_frame.f_code.co_filename != "<shell>":
            inner = inner.tb_next
        if inner is None or inner.tb_next is None:
            return "".join(traceback.format_exception_only(error))
        return "".join(traceback.format_exception(type(error), error, inner))


def _nobody(source: str, result: str) -> None:
    """Hears nothing."""
