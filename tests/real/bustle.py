"""
Traffic for the dashboard to show, and the picture of it in the manual.

    python -m tests.real.bustle docs/images/dashboard.png

runs the demo, has it visited for two minutes, breaks a peer, and has Chromium take the picture.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.real.browser import Browser
from tests.real.client import Client, fetch, request
from tests.real.demo import Demo

#: What visitors ask for, and how often of so many times.
_ASKED: Final = {"/who": 40, "/": 12, "/slow": 6, "/page.css": 12, "/dashboard": 4, "/missing": 3}
#: Seconds of traffic in the picture before the peer breaks, and after: they are what its charts show.
_BEFORE: Final = 113.0
_AFTER: Final = 12.0
_SIZE: Final = (1240, 930)


class Bustle:
    """Visitors of *port*, each of whom asks for this and that as long as the scene lasts, with *pause* seconds between."""

    def __init__(self, port: int, visitors: int = 12, pause: float = 0.05) -> None:
        self._port = port
        self._pause = pause
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(number,), daemon=True) for number in range(visitors)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _visit(self, number: int) -> None:
        chance = random.Random(number)
        paths, weights = list(_ASKED), list(_ASKED.values())
        while not self._stop.is_set():
            try:
                with Client(self._port) as client:
                    while not self._stop.wait(self._pause * chance.expovariate(1)):
                        client.send(request(chance.choices(paths, weights)[0]))
                        client.answer()
            except OSError:
                self._stop.wait(0.2)


def _picture(path: Path) -> None:
    # Scenes that only want traffic do without.
    from PIL import Image

    with tempfile.TemporaryDirectory() as directory:
        demo = Demo(Path(directory))
        browser: Browser | None = None
        try:
            demo.await_ready()
            browser = Browser(Path(directory))
            page = f"http://localhost:{demo.http}/"
            with Bustle(demo.http), browser.tab(page), browser.tab(f"{page}dashboard/", *_SIZE) as tab:
                time.sleep(_BEFORE)
                fetch(demo.http, "/control/one/break", method="POST")
                time.sleep(_AFTER)
                tab.call("Page.bringToFront")
                tab.wait_for("document.querySelector('.peers tbody.bad') !== null")
                tab.wait_for("document.getElementById('link').textContent.includes('live')")
                tab.picture(path, height=_SIZE[1])
                # 256 colours are enough for it, and a third of the bytes.
                with Image.open(path) as picture:
                    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
        finally:
            if browser is not None:
                browser.end()
            demo.end()


if __name__ == "__main__":
    _picture(Path(sys.argv[1]))
