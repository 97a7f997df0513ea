"""The shell's prompt on a terminal: coloured Python with history and completion, over conch's line editor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.conch.insults import insults
from twisted.conch.manhole import ColoredManhole

from twistedproxy.admin.completion import complete
from twistedproxy.admin.interpreter import Interpreter, Screen
from twistedproxy.admin.ongoing import ENDS, Ongoing
from twistedproxy.admin.tables import Column, table

_BELL: Final = b"\a"
_CTRL_H: Final = b"\x08"
_CTRL_U: Final = b"\x15"
#: Lines that are remembered for an operator.
_MOST_HISTORY: Final = 1000


class Terminal(insults.ServerProtocol):
    """An operator's terminal.  Unlike conch's it leaves what stands on the screen alone, at the end too."""

    def loseConnection(self) -> None:
        """End the session politely."""
        self.resetModes([insults.modes.IRM])
        if self.transport is not None:
            self.transport.loseConnection()


class Prompt(ColoredManhole):
    """
    Reads lines, runs them and shows what comes of it.

    :ivar width: characters of a line of the terminal
    """

    ps = (b">>> ", b"... ")
    interpreter: Any

    def __init__(self, make: Callable[[Screen], Interpreter], banner: str, history: list[bytes]) -> None:
        """*make* makes what runs the lines; *history* holds those of earlier sessions, and is extended in place."""
        super().__init__()
        self._make = make
        self._ongoing: Ongoing | None = None
        self._running = False
        self._banner = banner
        self._history = history

    def connectionMade(self) -> None:
        """Greet and ask for the first line."""
        super().connectionMade()
        self.interpreter = self._make(self)
        self.historyLines = self._history
        self.historyPosition = len(self._history)
        self.keyHandlers[_CTRL_H] = self.handle_BACKSPACE
        self.keyHandlers[_CTRL_U] = self.handle_kill_line

    def initializeScreen(self) -> None:
        """Write the banner and the prompt below what the terminal shows already."""
        self.setInsertMode()
        self.show(self._banner)
        self.terminal.write(self.ps[self.pn])

    def terminalSize(self, width: int, height: int) -> None:
        """The terminal has this size now; 0 when the client does not know."""
        self.width = width or 80
        self.height = height or 24

    # What an interpreter needs (interpreter.Screen).

    def show(self, text: str) -> None:
        """Write *text* to the terminal."""
        self.terminal.write(text.encode("utf-8", "backslashreplace"))

    complain = show

    def show_later(self, text: str) -> None:
        """Write *text* above the line that is being edited."""
        self.terminal.write(b"\r")
        self.terminal.eraseLine()
        self.show(text)
        self._draw_line()

    # Things that go on (ongoing.Stage).

    def follow(self, ongoing: Ongoing) -> None:
        """Show *ongoing*; until its end nothing is typed."""
        if self._ongoing is not None:
            self._ongoing.stop()
        self._ongoing = ongoing
        ongoing.done.addBoth(lambda _: self._over(ongoing))
        ongoing.begin(self)

    def _over(self, ongoing: Ongoing) -> None:
        if self._ongoing is ongoing:
            self._ongoing = None
            if not self._running and self.terminal is not None:
                self.terminal.write(self.ps[self.pn])

    @property
    def rows(self) -> int:
        """Lines that can be seen."""
        return self.height

    def line(self, text: str) -> None:
        """Add a line."""
        self.show(f"{text}\n")

    def picture(self, text: str) -> None:
        """Show *text* on an empty screen; what stands there already is overwritten, so that nothing flickers."""
        lines = (line.encode("utf-8", "backslashreplace") for line in text.split("\n")[: max(1, self.height - 1)])
        self.terminal.write(b"\x1b[H" + b"".join(line + b"\x1b[K\n" for line in lines) + b"\x1b[J")

    def connectionLost(self, reason: Any) -> None:
        """The terminal has gone, and with it what was shown there."""
        ongoing, self._ongoing = self._ongoing, None
        if ongoing is not None:
            ongoing.stop()
        super().connectionLost(reason)

    # Keys.

    def keystrokeReceived(self, keyID: bytes, modifier: Any) -> None:
        """A key was pressed; one that means nothing here rings the bell."""
        if self._ongoing is not None:
            if keyID in ENDS:
                self._ongoing.stop()
            return
        if keyID in self.keyHandlers or keyID in self._printableChars:
            super().keystrokeReceived(keyID, modifier)
        else:
            self.terminal.write(_BELL)

    def characterReceived(self, ch: bytes, moreCharactersComing: bool) -> None:
        """A character was typed: put it into the line, and colour the line if it can be."""
        before = len(self.lineBuffer)
        if len(self.ps[self.pn]) + before + 1 < self.width:
            try:
                super().characterReceived(ch, moreCharactersComing)
            except Exception:
                # Python's tokenizer gives up on many an unfinished line, in a way of its own in each version.
                self.terminal.write(ch)
            return
        # Conch colours by writing the line again, which it can do only as long as the line fits into one row.
        self.lineBuffer.insert(self.lineBufferIndex, ch)
        self.lineBufferIndex += 1
        self.terminal.write(ch)

    def getSource(self) -> bytes:
        """The statement so far, for the colours."""
        earlier = "\n".join(self.interpreter.buffer).encode("utf-8")
        return earlier + b"\n" + b"".join(self.lineBuffer)

    def handle_TAB(self) -> None:
        """Complete what stands before the cursor; at the beginning of a line, indent."""
        before = b"".join(self.lineBuffer[: self.lineBufferIndex]).decode("ascii", "replace")
        if not before.strip():
            self._type("    ")
            return
        found = complete(before, self.interpreter.namespace)
        if found.insert:
            self._type(found.insert)
        elif found.choices:
            self.terminal.nextLine()
            self.show(in_columns(found.choices, self.width))
            self._draw_line()
        else:
            self.terminal.write(_BELL)

    def handle_kill_line(self) -> None:
        """Forget the line."""
        self.handle_HOME()
        self.terminal.eraseToLineEnd()
        self.lineBuffer = []

    def handle_QUIT(self) -> None:
        """Leave (Ctrl-D)."""
        self.terminal.nextLine()
        self.terminal.loseConnection()

    def lineReceived(self, line: bytes) -> None:
        """Run a line."""
        del self._history[:-_MOST_HISTORY]
        self.historyPosition = len(self._history)
        self._running = True
        more = self.interpreter.push(line.decode("utf-8", "replace"))
        self._running = False
        if self.interpreter.ended:
            self.terminal.loseConnection()
            return
        self.pn = int(more)
        if self._ongoing is None:
            self.terminal.write(self.ps[self.pn])

    def _type(self, text: str) -> None:
        for index in range(len(text)):
            self.characterReceived(text[index].encode("ascii", "replace"), False)

    def _draw_line(self) -> None:
        self.drawInputLine()
        behind = len(self.lineBuffer) - self.lineBufferIndex
        if behind:
            self.terminal.cursorBackward(behind)


def in_columns(choices: tuple[str, ...], width: int) -> str:
    """*choices* in as many columns as fit into *width* characters, read downwards, with a newline at the end."""
    across = max(1, width // (max(map(len, choices)) + 2))
    down = -(-len(choices) // across)
    rows = [[*choices[start::down], *[""] * across][:across] for start in range(down)]
    return table([Column(title) for title in rows[0]], rows[1:], width) + "\n"
