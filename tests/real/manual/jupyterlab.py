"""
JupyterLab behind the proxy, by hand: it opens, starts a kernel, and runs a cell over its WebSocket.

JupyterLab is no dependency of the tests; put it into a virtual environment of its own, and name its program:

    python -m venv /tmp/jupyter && /tmp/jupyter/bin/pip install jupyterlab
    python -m tests.real.manual.jupyterlab /tmp/jupyter/bin/jupyter-lab

First by JupyterLab's own protocol (REST, and a kernel's WebSocket by ws and by wss), then, where Chromium is installed, as a
person does it: the page opens, a notebook's cell runs, and its output is on the screen (a picture is left in the directory
that is told at the end).  Then the pool's other server is drained, and the site is read again with a route more; the cell runs
once more, over the same WebSocket.  All of it in tunnels, and once more by messages.
"""

from __future__ import annotations

import json
import ssl
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.sync.client import connect

from tests.real.browser import CHROMIUM, Browser
from tests.real.operator import SHELL, Operator
from tests.real.programs import Program, free_ports, python
from tests.real.proxy import Proxy

TOKEN: Final = "a-token-of-this-test"
SITE: Final = (
    SHELL
    + """
[site]
state_dir = state
[defaults]
max_body = 100m
[listen http]
on = tcp:127.0.0.1:@http
[listen https]
on = tcp:127.0.0.1:@https
tls = own
[tls own]
self_signed = localhost
[pool jupyter]
servers =
    127.0.0.1:{port}
    127.0.0.1:{other} backup
check = GET /api
[route /]
pool = jupyter
websocket = {way}
websocket_drain_timeout = 1s
[log access]
file = access.log
"""
)
MORE: Final = """
[route /more/]
pool = jupyter
"""
NOTEBOOK: Final = {
    "cells": [
        {
            "cell_type": "code",
            "id": "first",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": "print('six times seven is', 6 * 7)",
        }
    ],
    "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


def run_cell(base: str, code: str) -> str:
    """Start a kernel through the proxy, run *code* in it, and return what it printed."""
    headers = {"Authorization": f"token {TOKEN}"}
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    with httpx.Client(base_url=base, headers=headers, verify=unverified, timeout=60) as client:
        kernel = client.post("/api/kernels", json={"name": "python3"}).raise_for_status().json()["id"]
        session = uuid.uuid4().hex
        url = f"{base.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?session_id={session}"
        secure: dict[str, Any] = {"ssl": unverified} if base.startswith("https") else {}
        try:
            with connect(url, additional_headers=headers, max_size=None, **secure) as channel:
                header = {
                    "msg_id": uuid.uuid4().hex,
                    "session": session,
                    "username": "",
                    "msg_type": "execute_request",
                    "version": "5.3",
                }
                content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
                message = {
                    "header": header,
                    "parent_header": {},
                    "metadata": {},
                    "content": content,
                    "channel": "shell",
                    "buffers": [],
                }
                channel.send(json.dumps(message))
                printed = ""
                while True:
                    told = json.loads(channel.recv(60))
                    if told["parent_header"].get("msg_id") != header["msg_id"]:
                        continue
                    if told["msg_type"] == "stream":
                        printed += told["content"]["text"]
                    elif told["msg_type"] == "error":
                        raise AssertionError(told["content"])
                    elif told["msg_type"] == "status" and told["content"]["execution_state"] == "idle":
                        return printed
        finally:
            client.delete(f"/api/kernels/{kernel}").raise_for_status()


def disturb(operator: Operator, proxy: Proxy, other: int) -> None:
    """Drain the other peer, and read the site again."""
    operator.says(proxy, f"drain('jupyter', '127.0.0.1:{other}')")
    time.sleep(2)  # longer than websocket_drain_timeout: that nothing happens shows in no other way
    proxy.site.write_text(proxy.site.read_text() + MORE)
    operator.says(proxy, "reload()")
    assert "/more/" in operator.says(proxy, "routes()")
    print("the other peer was drained, and the site was read again")


def numbers(operator: Operator, proxy: Proxy) -> list[str]:
    """Of the WebSockets that are open."""
    return [line.split()[0] for line in operator.says(proxy, "websockets()").splitlines()[1:] if line.split()]


def look(directory: Path, base: str, proxy: Proxy, operator: Operator, other: int) -> None:
    """Open the notebook in Chromium, run its cell by the keyboard, wait for what it prints; and again after a disturbance."""
    browser = Browser(directory)
    try:
        with browser.tab(f"{base}/lab/tree/seven.ipynb?token={TOKEN}", 1200, 800) as tab:
            tab.call("Page.bringToFront")
            tab.wait_for("document.querySelector('.jp-Notebook .jp-CodeCell .cm-content')?.textContent.includes('six')", 120)
            print("chromium: JupyterLab has opened the notebook:", tab.run("document.title"))
            tab.wait_for("document.body.innerText.includes('(ipykernel) | Idle')", 60)
            tab.click(".jp-Notebook .cm-line")
            tab.wait_for("document.activeElement?.classList.contains('cm-content')")
            key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "modifiers": 8, "text": "\r"}
            for kind in ("keyDown", "keyUp"):
                tab.call("Input.dispatchKeyEvent", type=kind, **key)
            printed = tab.wait_for("document.querySelector('.jp-OutputArea-output')?.textContent", 60)
            print("chromium: the cell printed:", printed.strip())
            assert printed.strip() == "six times seven is 42"
            opened = numbers(operator, proxy)
            assert opened
            disturb(operator, proxy, other)
            tab.click(".jp-Notebook .cm-line")
            tab.wait_for("document.activeElement?.classList.contains('cm-content')")
            for kind in ("keyDown", "keyUp"):
                tab.call("Input.dispatchKeyEvent", type=kind, **key)
            tab.wait_for("document.querySelector('.jp-Notebook .jp-InputArea-prompt')?.textContent.includes('[2]')", 60)
            assert numbers(operator, proxy) == opened
            print("chromium: the cell ran again; WebSockets", ", ".join(opened), "have stayed")
            tab.picture(directory / "jupyterlab.png")
            print("chromium: complaints in its console:", tab.complaints or "none")
    finally:
        browser.end()


def play(jupyter: str, way: str) -> None:
    """The whole play."""
    directory = Path(tempfile.mkdtemp(prefix=f"jupyterlab-{way}-"))
    (directory / "work").mkdir()
    (directory / "work/seven.ipynb").write_text(json.dumps(NOTEBOOK))
    port, other = free_ports(2)
    operator = Operator(directory)
    command = [
        jupyter,
        "--no-browser",
        "--allow-root",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--ip=127.0.0.1",
    ]
    command += [
        f"--IdentityProvider.token={TOKEN}",
        "--ServerApp.allow_remote_access=True",
        f"--ServerApp.root_dir={directory}/work",
    ]
    lab = Program("jupyter", command, directory, {"HOME": str(directory), "JUPYTER_PLATFORM_DIRS": "0", "PYTHONPATH": ""})
    backup = Program("backup", python("tests.real.peer", str(other), "backup"), directory)
    proxy = None
    try:
        lab.await_port(port)
        backup.await_port(other)
        proxy = Proxy(directory, SITE.format(port=port, other=other, way=way))
        proxy.await_ready()
        doors = (f"http://127.0.0.1:{proxy.port}", f"https://127.0.0.1:{proxy.ports['https']}")
        page = httpx.get(f"{doors[0]}/lab?token={TOKEN}", follow_redirects=True, timeout=60)
        print(
            "GET /lab:",
            page.status_code,
            len(page.text),
            "characters, title",
            page.text.partition("<title>")[2].partition("<")[0],
        )
        for door in doors:
            printed = run_cell(door, "import sys\nprint('six times seven is', 6 * 7, 'in Python', sys.version_info[0])")
            print(f"{door.partition(':')[0]}: the kernel printed: {printed.strip()}")
            large = run_cell(door, "print('x' * 900_000)")
            print(f"{door.partition(':')[0]}: and a line of {len(large.strip())} characters")
        if CHROMIUM is None:
            print("chromium: not installed, left out")
        else:
            look(directory, doors[0], proxy, operator, other)
        print(
            "lines in the access log:", len((directory / "access.log").read_text().splitlines()), "- everything is in", directory
        )
    except BaseException:
        for program in (lab, proxy):
            if program is not None:
                print(program.story())
        raise
    finally:
        if proxy is not None:
            proxy.end()
        backup.end()
        lab.end()


def main(jupyter: str) -> None:
    """Both ways."""
    for way in ("tunnel", "messages"):
        print(f"{way}:")
        play(jupyter, way)


if __name__ == "__main__":
    main(sys.argv[1])
