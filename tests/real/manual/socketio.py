"""
A socket.io chat behind the proxy, in Chromium, by hand: two people talk while another peer is drained.

socket.io is no dependency of the tests; put it into a directory of its own, and name its node_modules (Node.js 18 or newer):

    (mkdir /tmp/socketio && cd /tmp/socketio && npm install socket.io)
    python -m tests.real.manual.socketio /tmp/socketio/node_modules

Two servers run the chat, and a cookie binds clients to one, as socket.io wants it: its client begins by HTTP and goes over to
WebSocket.  Two tabs talk; then the other server is drained, and the site is read again with a route more; they talk on, and
neither has seen its connection end.  Both in tunnels and by messages.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.real.browser import Browser, Tab
from tests.real.operator import SHELL, Operator
from tests.real.programs import Program, free_ports
from tests.real.proxy import Proxy

SITE: Final = (
    SHELL
    + """
[site]
state_dir = state
[listen http]
on = tcp:127.0.0.1:@http
[pool chat]
servers =
    127.0.0.1:{one}
    127.0.0.1:{two}
sticky = cookie srv
[route /]
pool = chat
websocket = {way}
websocket_drain_timeout = 1s
"""
)
MORE: Final = """
[route /more/]
pool = chat
"""
SERVER: Final = """
const page = `<!doctype html><title>socket.io</title><script src="/socket.io/socket.io.js"></script><script>
var told = [], ends = 0, socket = io();
socket.on("said", text => told.push(text));
socket.on("disconnect", () => ends++);
</script>`;
const server = require("http").createServer((request, response) => response.end(page));
const io = new (require("socket.io").Server)(server);
io.on("connection", socket => socket.on("say", text => io.emit("said", process.argv[2] + ": " + text)));
server.listen(Number(process.argv[2]), "127.0.0.1");
"""


def say(tabs: tuple[Tab, ...], text: str) -> str:
    """The first tab says it, and all hear it; returns what they heard."""
    tabs[0].run(f"void socket.emit('say', {text!r})")
    heard = {tab.wait_for(f"told.find(each => each.endsWith({text!r}))") for tab in tabs}
    assert len(heard) == 1
    return str(heard.pop())


def play(directory: Path, modules: Path, way: str) -> None:
    """One way."""
    directory.mkdir()
    (directory / "server.js").write_text(SERVER)
    ports = free_ports(2)
    programs: list[Program] = []
    try:
        for port in ports:
            programs.append(Program(f"chat-{port}", ["node", "server.js", str(port)], directory, {"NODE_PATH": str(modules)}))
            programs[-1].await_port(port)
        operator = Operator(directory)
        proxy = Proxy(directory, SITE.format(one=ports[0], two=ports[1], way=way))
        programs.append(proxy)
        proxy.await_ready()
        browser = Browser(directory)
        programs.append(browser)
        url = f"http://127.0.0.1:{proxy.port}/"
        with browser.tab(url) as one:
            one.wait_for("window.socket?.connected")  # and has the cookie, so that the other one comes to the same server
            with browser.tab(url) as two:
                tabs = (one, two)
                for tab in tabs:
                    tab.wait_for("window.socket?.connected && socket.io.engine.transport.name == 'websocket'")
                own = int(say(tabs, "hello").partition(":")[0])
                (other,) = set(ports) - {own}
                operator.says(proxy, f"drain('chat', '127.0.0.1:{other}')")
                time.sleep(2)  # longer than websocket_drain_timeout: that nothing happens shows in no other way
                say(tabs, "after the drain")
                proxy.site.write_text(proxy.site.read_text() + MORE)
                operator.says(proxy, "reload()")
                assert "/more/" in operator.says(proxy, "routes()")
                say(tabs, "after the reload")
                print(operator.says(proxy, "websockets()"))
                assert [tab.run("ends") for tab in tabs] == [0, 0]
                assert not any(tab.complaints for tab in tabs), [tab.complaints for tab in tabs]
        print(f"{way}: both talked on after the drain and the reload", flush=True)
    except BaseException:
        for program in programs:
            print(program.story())
        raise
    finally:
        for program in reversed(programs):
            program.end()


def main(modules: str) -> None:
    """Both ways."""
    with tempfile.TemporaryDirectory(prefix="socketio-") as name:
        for way in ("tunnel", "messages"):
            play(Path(name, way), Path(modules), way)


if __name__ == "__main__":
    main(sys.argv[1])
