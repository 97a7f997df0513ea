"""One request and its answer, and what became of their heads on the way."""

from __future__ import annotations

from tests.kit.party import Message
from tests.kit.play import Play

PLAIN = """
    HTTP/1.1 200 OK
    Content-Length: 0
"""


def passed(
    site: str, request: str, answer: str = PLAIN, *, address: str = "192.0.2.1", listener: str = "http"
) -> tuple[Message, Message]:
    """The request as the peer gets it, and the answer as the client gets it."""
    with Play(site) as play:
        client = play.client(address=address, listener=listener)
        client.says(request)
        origin = play.origin()
        asked = origin.hears_message()
        origin.says(answer)
        answered = client.hears_message(head_only=request.strip().startswith("HEAD"))
    return asked, answered


def target(site: str, path: str) -> str:
    """What a peer is asked for when a client asks for *path*."""
    asked, _ = passed(site, f"GET {path} HTTP/1.1\nHost: example.com")
    return asked.start.split(" ")[1]


def answered_alone(site: str, request: str, *, listener: str = "http") -> Message:
    """The answer of the proxy itself."""
    with Play(site) as play:
        client = play.client(listener=listener)
        client.says(request)
        return client.hears_message()
