"""The shell as an operator sees it: a terminal, a command, or commands piped in; the SSH around it is left out."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from twisted.conch.insults.helper import TerminalBuffer
from twisted.conch.insults.insults import ClientProtocol
from twisted.conch.ssh.session import SSHSessionProcessProtocol

from tests.admin.site import HandClock, live_site
from twistedproxy.admin.interpreter import Interpreter
from twistedproxy.admin.live import Live
from twistedproxy.admin.session import Operator, ShellSession
from twistedproxy.balance.peer import PeerState

UP = b"\x1b[A"
LEFT = b"\x1b[D"


class Channel:
    """The client's end of an SSH channel: what it was sent, and how it ended."""

    def __init__(self) -> None:
        self.buf = b""
        self.out = b""
        self.err = b""
        self.status: int | None = None
        self.closed = False
        self.conn = self

    def write(self, data: bytes) -> None:
        self.out += data

    def writeExtended(self, kind: int, data: bytes) -> None:
        self.err += data

    def sendRequest(self, channel: object, name: bytes, data: bytes) -> None:
        assert name == b"exit-status"
        (self.status,) = struct.unpack(">L", data)

    def loseConnection(self) -> None:
        self.closed = True


class Client:
    """An operator at an SSH client."""

    def __init__(self, live: Live | None = None, history: list[bytes] | None = None) -> None:
        self.clock = HandClock()
        self.live = live or live_site(self.clock)
        operator = Operator("alice@laptop", self.live, self.clock, [] if history is None else history)
        self.session = ShellSession(operator)
        self.channel = Channel()
        self.proto = SSHSessionProcessProtocol(self.channel)

    def terminal(self, width: int = 80) -> Client:
        """Ask for a prompt on a terminal of 24 rows."""
        self.session.getPty(b"xterm", (24, width, 0, 0), [])
        self.session.openShell(self.proto)
        return self

    def command(self, command: str) -> Client:
        """``ssh host command``."""
        self.session.execCommand(self.proto, command.encode())
        self.clock.advance(0)
        return self

    def type(self, keys: str | bytes) -> Client:
        """Press keys."""
        transport: Any = self.proto.transport
        for index in range(len(keys)):
            key = keys[index : index + 1]
            transport.write(key.encode() if isinstance(key, str) else key)
        return self

    @property
    def screen(self) -> str:
        """What the terminal shows, without its empty lines."""
        buffer = TerminalBuffer()
        buffer.width, buffer.height = 200, 100
        buffer.connectionMade()
        display = ClientProtocol(lambda: buffer)
        display.makeConnection(None)
        display.dataReceived(self.channel.out)
        return "\n".join(line.rstrip() for line in bytes(buffer).decode("utf-8", "replace").rstrip().split("\n"))


def test_the_banner_says_version_uptime_and_where_to_begin() -> None:
    client = Client().terminal()
    assert "twistedproxy 0." in client.screen
    assert "up 3h00m; 4 peers, all up" in client.screen
    assert "help() lists the verbs" in client.screen
    assert client.screen.endswith(">>>")


def test_the_banner_names_peers_that_are_not_up() -> None:
    live = live_site()
    live.pools["app"].drain("app2:3000")
    assert "4 peers, not up: app2:3000" in Client(live).terminal().screen


def test_a_verb_prints_its_table() -> None:
    client = Client().terminal().type("pools()\r")
    assert "app   3 of 3 up" in client.screen
    assert client.screen.endswith(">>>")


def test_a_table_fits_the_terminal_and_follows_its_size() -> None:
    client = Client().terminal(60).type("peers()\r")
    assert max(map(len, client.screen.split("\n")[3:])) <= 60
    client.session.windowChanged((24, 150, 0, 0))
    client.type("peers()\r")
    assert max(map(len, client.screen.split("\n"))) > 80


def test_tab_completes_a_whole_command() -> None:
    client = Client().terminal().type("dra\tap\t")
    assert client.screen.endswith(">>> drain(ap")
    client.type("\x15dra\t'ap\t")
    assert client.screen.splitlines()[-2:] == ["api  app", ">>> drain('ap"]
    client.type("p\t'app1\t\r")
    assert "drain('app', 'app1:3000')\napp1:3000 is draining, nothing runs there" in client.screen
    assert client.live.pools["app"].peers[0].state is PeerState.DRAINING


def test_the_arrow_up_brings_the_last_line_back_in_the_next_session_too() -> None:
    history: list[bytes] = []
    Client(history=history).terminal().type("1 + 1\r")
    client = Client(history=history).terminal().type(UP)
    assert client.screen.endswith(">>> 1 + 1")
    client.type(LEFT * 5 + b"4\r")
    assert client.screen.split("\n")[-2] == "42"


def test_what_the_tokenizer_cannot_colour_can_be_typed() -> None:
    client = Client().terminal().type("'''\r\"(]$ \\ \x15'''\r")
    assert client.screen.split("\n")[-2].startswith("'")


def test_a_line_longer_than_the_terminal_can_be_typed() -> None:
    client = Client().terminal(40).type(f"len('{'x' * 100}')\r")
    assert b"\r\n100\r\n" in client.channel.out


def test_an_unknown_key_rings_the_bell() -> None:
    assert Client().terminal().type(b"\x12").channel.out.endswith(b"\a")


def test_control_c_forgets_the_line_and_control_d_ends() -> None:
    client = Client().terminal().type("nonsense\x03")
    assert client.screen.endswith("KeyboardInterrupt\n>>>")
    client.type("\x04")
    assert client.channel.status == 0
    assert client.channel.closed
    assert b"\x1bc" not in client.channel.out


@pytest.mark.parametrize("line", ["exit()", "quit()", "raise SystemExit", "import sys; sys.exit(1)"])
def test_exit_ends_the_session_and_nothing_else(line: str) -> None:
    client = Client().terminal().type(line + "\r")
    assert client.channel.closed


def test_an_error_leaves_the_prompt_ready() -> None:
    client = Client().terminal().type("1 / 0\rdrain('ap', 'x')\r")
    assert client.screen.split("\n")[-4:] == [
        "ZeroDivisionError: division by zero",
        ">>> drain('ap', 'x')",
        "error: there is no pool 'ap'; did you mean 'app'?",
        ">>>",
    ]


def test_a_result_that_comes_later_does_not_disturb_the_line() -> None:
    client = Client().terminal().type("from twisted.internet.defer import Deferred\rd = Deferred()\rd\rhalf a li")
    client.type("ne")
    prompt: Any = client.session._prompt
    prompt.interpreter.namespace["d"].callback("came")
    assert client.screen.split("\n")[-2:] == ["'came'", ">>> half a line"]


def test_a_client_that_goes_away_ends_its_prompt() -> None:
    client = Client().terminal()
    client.session.closed()
    client.session.closed()


def test_a_command_prints_and_exits_with_zero() -> None:
    client = Client().command("pools()")
    assert client.channel.out.startswith(b"POOL  PEERS")
    assert b"\r" not in client.channel.out
    assert client.channel.err == b""
    assert client.channel.status == 0
    assert client.channel.closed


def test_a_command_that_fails_says_so_on_standard_error_and_exits_with_one() -> None:
    client = Client().command("drain('ap', 'x')")
    assert client.channel.out == b""
    assert client.channel.err == b"error: there is no pool 'ap'; did you mean 'app'?\n"
    assert client.channel.status == 1


def test_a_command_may_be_several_statements() -> None:
    client = Client().command("drain('app', 'app1:3000'); [peer.name for peer in peers('app') if not peer.available]")
    assert client.channel.out.splitlines()[1] == b"['app1:3000']"


def test_a_command_waits_for_its_result() -> None:
    client = Client().command(
        "from twisted.internet.defer import Deferred; changed = Deferred(); "
        "live.pools['app'].on_change.append(changed.callback); changed.addCallback(str)"
    )
    assert client.channel.status is None
    client.live.pools["app"].drain("app2:3000")
    assert client.channel.out == "… the result follows\n'peer app2:3000 is draining: the operator drains it'\n".encode()
    assert client.channel.status == 0


def test_a_command_on_a_terminal_returns_the_carriage() -> None:
    client = Client()
    client.session.getPty(b"xterm", (24, 80, 0, 0), [])
    assert b"UP\r\n" not in client.command("pools()").channel.out
    assert b"\r\napp " in client.channel.out


def test_commands_can_be_piped_in() -> None:
    client = Client()
    client.session.openShell(client.proto)
    client.type("for n in (1, 2):\n    print(n)\n\nzzzz\n3 + 4")
    client.session.eofReceived()
    assert client.channel.out == b"1\n2\n7\n"
    assert client.channel.err == b"error: there is no 'zzzz'\n"
    assert client.channel.status == 1
    assert client.channel.closed


def test_a_piped_block_needs_no_empty_line_at_the_end() -> None:
    client = Client()
    client.session.openShell(client.proto)
    client.type("if True:\n    print('yes')")
    client.session.eofReceived()
    assert client.channel.out == b"yes\n"
    assert client.channel.status == 0


def test_a_piped_line_without_end_is_refused() -> None:
    client = Client()
    client.session.openShell(client.proto)
    transport: Any = client.proto.transport
    transport.write(b"x" * 300_000)
    assert client.channel.err == b"error: the line is too long\n"
    assert client.channel.status == 1


def test_the_interpreter_of_a_session_sees_the_live_objects() -> None:
    client = Client().terminal()
    prompt: Any = client.session._prompt
    assert isinstance(prompt.interpreter, Interpreter)
    client.type("live.pools['app'].peers[0].weight = 7\r")
    assert client.live.pools["app"].peers[0].weight == 7
