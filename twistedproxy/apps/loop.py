"""A loop of asyncio in a thread of its own, whatever reactor the process has."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.logger import Logger

_log = Logger()


class Loop:
    """
    The loop of one app.

    :ivar loop: that one, from its start on
    """

    def __init__(self, called: str) -> None:
        self._called = called
        self.loop: asyncio.AbstractEventLoop
        self._runs = False
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Make it, and run it; the thread does not keep the process from ending."""
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(self._told)
        self._runs = True
        threading.Thread(target=self._run, name=self._called, daemon=True).start()

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """From any thread: have *function* called in the loop's."""
        # When it has ended, nobody is left to whom it would make a difference.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function, *arguments)

    @property
    def runs(self) -> bool:
        """It was started."""
        return self._runs

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """In the loop: begin a task."""
        task = self.loop.create_task(work)
        # The loop itself keeps none.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def stop(self) -> None:
        """In the loop: cancel what runs, and end."""
        self.loop.create_task(self._end())

    async def _end(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=5)
        await self.loop.shutdown_asyncgens()
        self.loop.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    def _told(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        _log.warn(
            "{app}: {message} {problem}", app=self._called, message=context["message"], problem=context.get("exception", "")
        )
