"""Chromium without a window, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import httpx
import pytest
from websockets.sync.client import connect

from tests.real.programs import Program, eventually

CHROMIUM: Final = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian: apt install chromium)")

_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--ignore-certificate-errors",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


class Browser(Program):
    """A browser with a profile of its own in *directory*."""

    def __init__(self, directory: Path) -> None:
        assert CHROMIUM is not None
        profile = directory / "profile"
        super().__init__("chromium", [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"], directory)
        told = profile / "DevToolsActivePort"
        eventually(lambda: (told.exists() and told.read_text().strip()) or self.ended, lambda: self.story(), 60)
        assert not self.ended, self.story()
        self._debugging = int(told.read_text().split()[0])

    def tab(self, url: str, width: int = 1200, height: int = 900, *, mobile: bool = False) -> Tab:
        """Open *url* in a new tab of that size in CSS pixels."""
        opened = httpx.put(f"http://127.0.0.1:{self._debugging}/json/new?about:blank", timeout=30).json()
        tab = Tab(opened["webSocketDebuggerUrl"])
        tab.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        tab.call("Page.enable")
        tab.call("Page.navigate", url=url)
        return tab


class Tab:
    """
    One tab.

    :ivar complaints: what its console was told as an error, and exceptions of its scripts
    """

    def __init__(self, url: str) -> None:
        self._open = ExitStack()
        self._connection = self._open.enter_context(connect(url, max_size=None, compression=None))
        self._calls = 0
        self.complaints: list[str] = []
        self.call("Runtime.enable")
        self.call("Log.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def call(self, method: str, **params: Any) -> Any:
        """One command of the DevTools protocol, and its result."""
        self._calls += 1
        self._connection.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while True:
            told = json.loads(self._connection.recv(60))
            if told.get("id") == self._calls:
                assert "error" not in told, (method, told["error"])
                return told["result"]
            self._hear(told)

    def _hear(self, told: Any) -> None:
        params = told.get("params", {})
        if told.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif told.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    def run(self, script: str) -> Any:
        """The value of an expression in the page, promises awaited."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, (script, done)
        return done["result"].get("value")

    def wait_for(self, script: str, within: float = 30.0) -> Any:
        """Return the value of an expression as soon as it is true."""
        eventually(
            lambda: self.run(script), lambda: f"{script}; {self.run('document.body.innerText')}; {self.complaints}", within
        )
        return self.run(script)

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of the first element that *selector* finds."""
        where = self.run(
            f"(() => {{ const box = document.querySelector({selector!r}).getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=where[0], y=where[1], button="left", clickCount=1)

    def picture(self, path: Path, height: int | None = None) -> None:
        """The whole page as a PNG file, or its upper part, *height* pixels of it."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        taken = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(taken["data"]))
