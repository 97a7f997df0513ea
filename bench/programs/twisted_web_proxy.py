"""
``twisted.web.proxy`` as it ships, with the forwarding fields added.

It asks its origin for a new connection with every request, and hands the origin's ``Connection: close`` to the client.

``python -m bench.programs.twisted_web_proxy HTTP HTTPS ORIGIN ECHO CHAIN KEY``
"""

from __future__ import annotations

import sys
from urllib.parse import quote

from twisted.internet import endpoints, reactor
from twisted.web.http import Request
from twisted.web.proxy import ReverseProxyResource
from twisted.web.server import Site


class ForwardingResource(ReverseProxyResource):
    """A ReverseProxyResource that says for whom it asks."""

    def __init__(self, host: str, port: int, path: bytes) -> None:
        ReverseProxyResource.__init__(self, host, port, path)

    def getChild(self, path: bytes, request: Request) -> ReverseProxyResource:
        """The resource for one more segment of the path."""
        return ForwardingResource(self.host, self.port, self.path + b"/" + quote(path, safe="").encode())

    def render(self, request: Request) -> object:
        """Add the fields that nginx's configuration adds, and forward."""
        headers = request.requestHeaders
        headers.setRawHeaders(b"X-Forwarded-For", [request.getClientAddress().host.encode()])
        headers.setRawHeaders(b"X-Forwarded-Proto", [b"https" if request.isSecure() else b"http"])
        headers.setRawHeaders(b"X-Forwarded-Host", headers.getRawHeaders(b"Host", [b""])[:1])
        return ReverseProxyResource.render(self, request)


def serve(http: str, https: str, origin: str, chain: str, key: str) -> None:
    """Run until the process is ended."""
    site = Site(ForwardingResource("127.0.0.1", int(origin), b""))
    for where in (
        f"tcp:{http}:interface=127.0.0.1:backlog=4096",
        f"ssl:{https}:interface=127.0.0.1:backlog=4096:certKey={chain}:privateKey={key}",
    ):
        endpoints.serverFromString(reactor, where).listen(site)
    reactor.run()


if __name__ == "__main__":
    serve(*sys.argv[1:4], *sys.argv[5:7])
