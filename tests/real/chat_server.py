"""
A chat on the `websockets` package, as a program that can be killed: ``python -m tests.real.chat_server PORT``.

To a browser it gives a page that chats, by the subprotocol that both speak, and shows all that happens to its WebSocket.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

PAGE: Final = """<!doctype html><title>chat</title><ol></ol><script>
var told = [];
function tell(text) { told.push(text); document.querySelector("ol").innerHTML += `<li>${text}</li>`; }
var chat = new WebSocket(location.href.replace("http", "ws"), ["chat.v3", "chat.v1"]);
chat.onopen = () => { tell(`open by ${chat.protocol}`); chat.send("alice"); };
chat.onmessage = message => tell(message.data);
chat.onerror = () => tell("error");
chat.onclose = end => tell(`closed ${end.code}`);
</script>"""


def page(connection: ServerConnection, request: Request) -> Response | None:
    """The page, to whoever wants no WebSocket."""
    if "Upgrade" in request.headers:
        return None
    response = connection.respond(200, PAGE)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "text/html"
    return response


async def main(port: int) -> None:
    """Serve until ended; the first message is the client's name, every other one comes back with it."""

    async def room(connection: ServerConnection) -> None:
        name = await connection.recv()
        await connection.send(f"{port} welcomes {name!s}")
        async for message in connection:
            await connection.send(f"{name!s}: {message!s}")

    async with serve(room, "127.0.0.1", port, process_request=page, subprotocols=[Subprotocol("chat.v1")]) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
