"""Requests for parts of what is changed on its way: RFC 9110 §14.2 lets a server answer with the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twistedproxy.message import RequestFields, RequestHead

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange

_RANGE: Final = frozenset((b"range", b"if-range"))


class Whole:
    """A guard that lets everybody in, and has nobody ask for parts."""

    def admit(self, exchange: Exchange, passed: int) -> bool:
        """As :meth:`twistedproxy.forward.routes.Guard.admit`."""
        if exchange.head.headers.has_any(_RANGE):
            exchange.head = without_range(exchange.head)
        return True


def without_range(head: RequestHead) -> RequestHead:
    """*head* as if it asked for the whole."""
    fields = head.fields
    return RequestHead(
        head.method,
        head.target,
        head.version,
        RequestFields(
            head.headers.without(_RANGE),
            length=fields.length,
            host=fields.host,
            port=fields.port,
            keep_alive=fields.keep_alive,
            connection=fields.connection,
            expects_continue=fields.expects_continue,
            upgrade=fields.upgrade,
            are_large=fields.are_large,
        ),
        path=head.path,
        query=head.query,
        route_path=head.route_path,
        authority=head.authority,
    )
