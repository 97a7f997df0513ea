"""``revproxy``: what can be said about a site without running it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from twistedproxy.config.effective import effective
from twistedproxy.config.load import Loaded, load
from twistedproxy.config.problems import BadValue, ConfigError
from twistedproxy.config.scalars import Context
from twistedproxy.spelling import counted
from twistedproxy.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line *arguments* (those of the process without); returns the exit status."""
    options = _parser().parse_args(arguments)
    return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="revproxy",
        description="A reverse proxy on Twisted. `twistd -n revproxy -c site.ini` runs a site; this looks at one.",
    )
    parser.add_argument("--version", action="version", version=f"revproxy {VERSION}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = commands.add_parser(
        "check",
        help="say whether a site file can be used, and every error if not",
        description="Reads a site file without opening a port. Exit status: 0 when it can be used, 1 when not.",
    )
    check.add_argument("site", help="the site file")
    check.add_argument("--print", action="store_true", dest="effective", help="print every setting, with what is inherited")
    check.set_defaults(run=_check)
    for name, text in (
        ("reload", "let the process that runs a site read its file again"),
        ("drain", "let it take its leave: not ready, then its listeners close, then it ends with its last connection"),
        ("upgrade", "let a new process take over from it, without refusing a connection"),
    ):
        asking = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}. Exit status: 0 when that was done, 1 when not."
        )
        asking.add_argument("site", help="the site file")
        if name == "reload":
            asking.add_argument(
                "--plan", action="store_true", help="only say what would change, and which connections it touches"
            )
        asking.set_defaults(run=_ask, do=name, plan=False)
    shell = commands.add_parser(
        "shell",
        help="log in to the shell of the process that runs a site",
        description="Finds the shell's port and the proxy's key in the site file and in state_dir, and connects with ssh. Exit "
        "status: that of the command, or 1 when the shell cannot be reached.",
    )
    shell.add_argument("site", help="the site file")
    shell.add_argument("--command", metavar="TEXT", help="say this and leave, for instance 'pools()'")
    shell.add_argument("-i", "--identity", default="", metavar="FILE", help="your private key; ssh finds it without")
    shell.set_defaults(run=_shell)
    test = commands.add_parser(
        "test",
        help="run the [test …] sections of a site file",
        description="Tries the requests of the [test …] sections on the site, without a port and without its peers. Exit status: "
        "0 when all is as expected, 1 when not.",
    )
    test.add_argument("site", help="the site file")
    test.add_argument("name", nargs="?", default="", help="only tests with this in their names")
    test.set_defaults(run=_test)
    explain = commands.add_parser(
        "explain",
        help="say what becomes of a request, phase by phase, and why",
        description="Makes up a request and lets the site decide on it, without a port and without its peers.",
    )
    explain.add_argument("site", help="the site file")
    explain.add_argument("method", metavar="METHOD", help="for instance GET")
    explain.add_argument("url", metavar="URL", help="for instance https://example.com/a?b=c")
    explain.add_argument(
        "-H", "--header", action="append", default=[], metavar="FIELD", help="'Name: value'; as often as you like"
    )
    explain.add_argument("-d", "--data", default="", metavar="TEXT", help="the body")
    explain.add_argument("--client", default="", metavar="ADDRESS", help="where it comes from; 192.0.2.1 without")
    explain.add_argument("--listen", default="", metavar="NAME", help="the [listen NAME] by which it comes in")
    explain.add_argument(
        "--answer",
        action="append",
        default=[],
        metavar="LINE",
        help="what the peer says: a status, then 'Name: value'; or refused",
    )
    explain.add_argument("--times", type=_times, default=1, metavar="N", help="ask so many times, and tell of the last")
    explain.set_defaults(run=_explain)
    replay = commands.add_parser(
        "replay",
        help="say to a WebSocket peer what a client said in a recording",
        description="Plays the client's part of a recording that the shell's record() made. Exit status: 0 when all of it was "
        "said, 1 when not.",
    )
    replay.add_argument("file", help="the recording")
    replay.add_argument("--to", required=True, metavar="URL", help="ws://HOST:PORT/PATH or wss://…")
    replay.add_argument("--websocket", type=int, metavar="NUMBER", help="which of those in the file; the first without")
    replay.add_argument("--speed", type=float, default=1.0, metavar="FACTOR", help="2 is twice as fast; 0 without any pause")
    replay.add_argument("--subprotocol", action="append", default=[], help="to be offered; may be given several times")
    replay.set_defaults(run=_replay)
    return parser


def _test(options: argparse.Namespace) -> int:
    from twistedproxy.rehearsal.expectations import run

    loaded = _loaded(options.site)
    if loaded is None:
        return 1
    wanted = [test for test in loaded.settings.tests if options.name in test.name]
    failed = 0
    for test in wanted:
        problems = run(loaded.settings, test)
        failed += bool(problems)
        print(f"{'FAIL' if problems else 'ok  '} {test.name}")
        for problem in problems:
            print(f"     {problem}")
    if not wanted:
        print(
            f"{options.site}: there is no [test …]{f' with {options.name!r} in its name' if options.name else ''}",
            file=sys.stderr,
        )
        return 1
    print(f"{options.site}: {counted(len(wanted), 'test')}, {failed or 'none'} failed")
    return 1 if failed else 0


def _explain(options: argparse.Namespace) -> int:
    from twistedproxy.config import expectations
    from twistedproxy.errors import RequestError
    from twistedproxy.rehearsal.expectations import answer_of
    from twistedproxy.rehearsal.request import NotAsked, made_up
    from twistedproxy.rehearsal.stage import Stage
    from twistedproxy.story.lines import written
    from twistedproxy.story.story import story

    loaded = _loaded(options.site)
    if loaded is None:
        return 1
    line = f"{options.method} {options.url}"
    try:
        answer = answer_of(expectations.answer(options.answer))
        client = expectations.address(options.client, Context("", {})) if options.client else ""
        request = made_up(loaded.settings, line, options.header, body=options.data, client=client, listener=options.listen)
    except (BadValue, NotAsked) as problem:
        print(problem, file=sys.stderr)
        return 1
    except RequestError as error:
        print(f"{'parse':9}{error.reason.status}, nothing is forwarded: {error}")
        return 0
    with Stage(loaded.settings) as stage:
        for _ in range(options.times):
            told = stage.ask(request, answer)
    print(written(story(told.tale)))
    return 0


def _times(text: str) -> int:
    """How often something is asked; argparse makes a sentence of the error."""
    times = int(text)
    if times < 1:
        raise argparse.ArgumentTypeError(f"{text} times is never; ask once or more")
    return times


def _loaded(site: str) -> Loaded | None:
    """The site, or None when it has errors, which are told."""
    try:
        return load(site, os.environ)
    except ConfigError as error:
        print(error, file=sys.stderr)
        print(f"{site}: {counted(len(error.errors), 'error')}", file=sys.stderr)
        return None


def _check(options: argparse.Namespace) -> int:
    loaded = _loaded(options.site)
    if loaded is None:
        return 1
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if options.effective:
        print(effective(loaded.settings), end="")
    else:
        print(_summary(options.site, loaded))
    return 0


def _ask(options: argparse.Namespace) -> int:
    from twistedproxy.running.control import NobodyRuns, ask, path_of

    try:
        loaded = load(options.site, os.environ)
        done, said = ask(path_of(options.site, loaded.settings.site.state_dir), "plan" if options.plan else options.do)
    except ConfigError as error:
        print(error, file=sys.stderr)
        print(f"{options.site}: {counted(len(error.errors), 'error')}; nothing was asked for", file=sys.stderr)
        return 1
    except NobodyRuns as problem:
        print(problem, file=sys.stderr)
        return 1
    print(said, file=sys.stdout if done else sys.stderr)
    return 0 if done else 1


def _shell(options: argparse.Namespace) -> int:
    from twistedproxy.admin.connecting import CannotConnect, connect

    loaded = _loaded(options.site)
    if loaded is None:
        return 1
    try:
        return connect(loaded.settings, options.site, options.command, options.identity)
    except CannotConnect as problem:
        print(problem, file=sys.stderr)
        return 1


def _replay(options: argparse.Namespace) -> int:
    from twistedproxy.admin.replay import replay_recording

    return replay_recording(options.file, options.to, options.websocket, options.speed, options.subprotocol)


def _summary(site: str, loaded: Loaded) -> str:
    settings = loaded.settings
    counts = (
        (len(settings.listen), "listener"),
        (len(settings.routes), "route"),
        (len(settings.pools), "pool"),
        (len(loaded.warnings), "warning"),
    )
    return f"{site}: OK, {', '.join(counted(number, what) for number, what in counts)}"


if __name__ == "__main__":
    sys.exit(main())
