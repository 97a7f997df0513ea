"""WSGI apps, for plays."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

Environ = dict[str, Any]

heard: list[str] = []
environs: list[Environ] = []
begun = threading.Event()
go_on = threading.Event()


def begin() -> None:
    """Forget what was heard."""
    heard.clear()
    environs.clear()
    begun.clear()
    go_on.clear()


class Body:
    """Pieces of a body, and a note when it is closed."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    def close(self) -> None:
        heard.append("closed")


@validator
def valid(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Whatever of it is not as it should be, the validator tells."""
    environs.append(environ)
    data = environ["wsgi.input"].read(1000)
    environ["wsgi.errors"].write("a line of the app\n")
    start_response("200 Fine", [("Content-Type", "text/plain"), ("X-Read", str(len(data)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"valid ", data]


def whole(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A body in one piece."""
    environs.append(environ)
    start_response("200 OK", [])
    return [b"whole"]


def lines(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Each line of the body as it comes."""
    start_response("200 OK", [])
    for line in environ["wsgi.input"]:
        yield b"<" + line.rstrip() + b">"


def written(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """By write() first."""
    write = start_response("200 OK", [])
    write(b"one ")
    write(b"two ")
    return [b"three"]


def changed(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """An answer that becomes an error before it began."""
    start_response("200 OK", [("X-A", "1")])
    try:
        raise ValueError("changed")
    except ValueError:
        start_response("503 Sorry", [], sys.exc_info())
    return [b"sorry"]


def too_late(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """The same when it has begun."""
    start_response("200 OK", [])
    yield b"first"
    try:
        raise ValueError("too late")
    except ValueError:
        start_response("503 Sorry", [], sys.exc_info())


def twice(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Without an error."""
    start_response("200 OK", [])
    start_response("200 OK", [])
    return []


def never(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Without start_response."""
    return Body([b"x"])


def text(environ: Environ, start_response: Any) -> Iterable[Any]:
    """Text instead of bytes."""
    start_response("200 OK", [])
    return ["text"]


def evil(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """A field within a field."""
    start_response("200 OK", [("X-A", "b\r\nX-Evil: c")])
    return Body([b"x" * 100_000] * 20)


def leaves(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Would end the process."""
    raise SystemExit("a secret of the app")


def endless(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """More than anybody takes."""

    def pieces() -> Iterator[bytes]:
        while True:
            heard.append("piece")
            yield b"x" * 50_000

    start_response("200 OK", [])
    return Body(pieces())


def waits(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Takes its time."""
    heard.append("began")
    begun.set()
    go_on.wait(10)
    start_response("200 OK", [("Content-Length", "4")])
    return Body([b"done"])


def reads(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Reads all that comes, in small pieces."""
    size = 0
    try:
        while data := environ["wsgi.input"].read(10_000):
            size += len(data)
    except ConnectionAbortedError:
        heard.append("gone")
        raise
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(size).encode()]


def empty(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Nothing at all."""
    start_response("204 No Content", [])
    return []


def declared(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Two pieces of a known length."""
    start_response("200 OK", [("Content-Length", "6")])
    return [b"abc", b"def"]
