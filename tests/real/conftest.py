"""What every scene with processes needs: a proxy, ended when the scene is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.browser import Browser
from tests.real.demo import Demo
from tests.real.programs import Program
from tests.real.proxy import Proxy

StartProxy = Callable[..., Proxy]
StartProgram = Callable[..., Program]


@pytest.fixture
def started() -> Iterator[list[Program]]:
    """Programs to end, the last one first."""
    programs: list[Program] = []
    yield programs
    for program in reversed(programs):
        program.end()


@pytest.fixture
def start_proxy(tmp_path: Path, started: list[Program]) -> StartProxy:
    """
    Start a proxy with the text of a site, in which ``@NAME`` stands for a free port, and wait until it listens.

    The listener that scenes talk to is on ``@http``.  Keyword arguments are those of :class:`Proxy`.
    """

    def start(site: str, **options: Any) -> Proxy:
        proxy = Proxy(tmp_path, site, **options)
        started.append(proxy)
        proxy.await_ready()
        return proxy

    return start


@pytest.fixture
def demo(tmp_path: Path, started: list[Program]) -> Demo:
    """The demo, with every door open."""
    demo = Demo(tmp_path)
    started.append(demo)
    demo.await_ready()
    return demo


@pytest.fixture
def browser(tmp_path: Path, started: list[Program]) -> Browser:
    """Chromium."""
    browser = Browser(tmp_path)
    started.append(browser)
    return browser


@pytest.fixture
def start_program(tmp_path: Path, started: list[Program]) -> StartProgram:
    """Start another program: its name and its command."""

    def start(name: str, command: list[str], **environ: str) -> Program:
        program = Program(name, command, tmp_path, environ)
        started.append(program)
        return program

    return start
