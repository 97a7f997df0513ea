"""A chat on the `websockets` package, as a program that can be killed: ``python -m tests.real.chat_server PORT``."""

from __future__ import annotations

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, serve


async def main(port: int) -> None:
    """Serve until ended; the first message is the client's name, every other one comes back with it."""

    async def room(connection: ServerConnection) -> None:
        name = await connection.recv()
        await connection.send(f"{port} welcomes {name!s}")
        async for message in connection:
            await connection.send(f"{name!s}: {message!s}")

    async with serve(room, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
