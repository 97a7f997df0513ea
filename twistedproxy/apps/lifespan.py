"""The lifespan of an ASGI app: it hears when it begins and when it ends, and says whether it can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

#: Seconds in which an app must have ended.
_LONGEST: Final = 10.0


class Lifespan:
    """
    As the Lifespan protocol 2.0 has it; an app that raises at once does not know of it, and is served all the same.

    :ivar state: what the app has noted at its start, for each of its scopes
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self.state: dict[str, Any] = {}
        self._asked: asyncio.Queue[dict[str, Any]]
        self._said: asyncio.Queue[tuple[str, str]]
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str | None:
        """Tell the app to start; why it cannot, None when it has."""
        # Queues belong to the loop in which they are made.
        self._asked, self._said = asyncio.Queue(), asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(self._run())
        return await self._tell("startup")

    async def stop(self) -> str | None:
        """Tell the app to end; why it has not done so well."""
        if self._task is None or self._task.done():
            return None
        try:
            return await asyncio.wait_for(self._tell("shutdown"), _LONGEST)
        except TimeoutError:
            self._task.cancel()
            return f"it takes longer than {_LONGEST:.0f} seconds"

    async def _tell(self, what: str) -> str | None:
        self._asked.put_nowait({"type": f"lifespan.{what}"})
        said, message = await self._said.get()
        return (message or "it gives no reason") if said == f"lifespan.{what}.failed" else None

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._asked.get, self._send)
        except BaseException:  # by raising whatever it likes an app says that it has no lifespan
            pass
        finally:
            self._said.put_nowait(("", ""))

    async def _send(self, message: dict[str, Any]) -> None:
        self._said.put_nowait((message["type"], message.get("message", "")))
