"""``environ``: a request as PEP 3333 writes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from twisted.logger import Logger

from twistedproxy.apps.input import Input
from twistedproxy.apps.request import AppRequest
from twistedproxy.version import VERSION

_PROTOCOLS: Final = {10: "HTTP/1.0", 11: "HTTP/1.1", 20: "HTTP/2.0"}
_CGI: Final = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
#: In the environment of CGI's children it would be the proxy of their own requests (CVE-2016-5385).
_NEVER: Final = frozenset((b"proxy",))

_log = Logger()


class ErrorStream:
    """``wsgi.errors``: lines go to the log, under the name of the app."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._begun = ""

    def write(self, text: str) -> int:
        """Log each line that is complete."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line:
                _log.warn("{app}: {line}", app=self._app, line=line)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Log what is no whole line, too."""
        if self._begun:
            self.write("\n")


def environ_of(request: AppRequest, body: Input, app: str, *, threads: bool) -> dict[str, Any]:
    """
    The environment of one request.

    Fields with underscores in their names are left out: here they could be taken for others.

    :param app: how people call it; *threads*: it runs in several at a time
    """
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method.decode("latin-1"),
        "SCRIPT_NAME": request.root,
        "PATH_INFO": "" if request.path == b"*" else unquote_to_bytes(request.path).decode("latin-1"),
        "QUERY_STRING": request.query.decode("latin-1"),
        "SERVER_NAME": request.host.strip("[]"),
        "SERVER_PORT": str(request.port),
        "SERVER_PROTOCOL": _PROTOCOLS[request.version],
        "SERVER_SOFTWARE": f"twistedproxy/{VERSION}",
        "REMOTE_ADDR": request.client,
        "REMOTE_PORT": str(request.client_port or ""),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": ErrorStream(app),
        "wsgi.multithread": threads,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    for name, value in request.fields:
        plain = name.lower()
        if b"_" in plain or plain in _NEVER:
            continue
        key = _CGI.get(plain) or "HTTP_" + plain.upper().replace(b"-", b"_").decode("ascii")
        text = value.decode("latin-1")
        if key in environ:
            text = f"{environ[key]}{'; ' if plain == b'cookie' else ','}{text}"
        environ[key] = text
    return environ
