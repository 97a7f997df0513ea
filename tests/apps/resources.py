"""Resources of twisted.web, for plays."""

from __future__ import annotations

from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

later: list[Any] = []
heard: list[str] = []


class Front(Resource):
    """Says who asks for what."""

    def render_GET(self, request: Any) -> bytes:
        session = request.getSession()
        session.visits = getattr(session, "visits", 0) + 1
        said = f"{request.prePathURL().decode()} for {request.getClientAddress().host}, visit {session.visits}"
        return said.encode()

    def render_POST(self, request: Any) -> bytes:
        data: bytes = request.content.read()
        return b"got %d" % len(data)


class Later(Resource):
    """Answers when somebody says so."""

    isLeaf = True

    def render_GET(self, request: Any) -> int:
        later.append(request)
        request.notifyFinish().addErrback(lambda failure: heard.append(failure.type.__name__))
        return NOT_DONE_YET


class Endless(Resource):
    """A producer of more than anybody takes."""

    isLeaf = True

    def render_GET(self, request: Any) -> int:
        self.request = request
        request.registerProducer(self, True)
        self.resumeProducing()
        return NOT_DONE_YET

    def pauseProducing(self) -> None:
        self.running = False

    def resumeProducing(self) -> None:
        self.running = True
        while self.running:
            heard.append("piece")
            self.request.write(b"x" * 50_000)

    def stopProducing(self) -> None:
        heard.append("stopped")


class Fails(Resource):
    """Fails, when it has begun perhaps."""

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        if request.args:
            request.write(b"first")
        raise ValueError("a secret of the app")


def make() -> Resource:
    """All of them."""
    root = Front()
    root.putChild(b"", root)
    root.putChild(b"deep", Front())
    root.putChild(b"later", Later())
    root.putChild(b"endless", Endless())
    root.putChild(b"fails", Fails())
    return root


klein = Klein()


@klein.route("/items/<int:number>")
def item(request: Any, number: int) -> Any:
    """By a Deferred."""
    done: Deferred[str] = Deferred()
    done.callback(f"item {number}")
    return done


nothing = 5
