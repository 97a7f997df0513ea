"""Message filters of the scenes."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred


class Shouting:
    """Changes, drops and answers."""

    def __init__(self, conversation: Any) -> None:
        self.conversation = conversation

    def from_client(self, message: str | bytes) -> str | bytes | None:
        if message == "ping":
            self.conversation.send_to_client("pong")
            return None
        if message == "who":
            told = self.conversation
            host = told.headers.get(b"host").decode()
            return f"{told.client} {told.route} {told.target} {host} {told.subprotocol}"
        if message == "tell":
            self.conversation.send_to_peer(b"told")
            return None
        if message == "enough":
            self.conversation.close(4000, "said enough")
            return None
        if message in ("no code", "no end"):
            self.conversation.close(*((1005, "") if message == "no code" else (4000, "ü" * 62)))
        return message.upper()


class Thinking:
    """Answers later, when it is told to."""

    thoughts: ClassVar[list[Deferred[Any]]] = []

    def __init__(self, conversation: Any) -> None:
        pass

    async def from_peer(self, message: str | bytes) -> str | bytes:
        thought: Deferred[str] = Deferred()
        self.thoughts.append(thought)
        return f"{message!r}, and {await thought}"


class Broken:
    """Fails in one way or the other."""

    def __init__(self, conversation: Any) -> None:
        pass

    def from_client(self, message: str | bytes) -> Any:
        if message == "number":
            return 7
        raise ValueError("it broke")


class Stillborn:
    """Fails at once."""

    def __init__(self, conversation: Any) -> None:
        raise ValueError("not today")
