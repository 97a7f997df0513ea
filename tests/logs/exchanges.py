"""Finished exchanges, made by hand."""

from __future__ import annotations

from typing import Any

from tests.admin.site import Things
from twistedproxy.message import Headers, RequestFields, RequestHead


def exchange(*fields: tuple[bytes, bytes], target: bytes = b"/a?b=c", **attributes: Any) -> Any:
    """A finished exchange."""
    head = RequestHead(
        b"GET",
        target,
        11,
        RequestFields(Headers(fields), host=b"example.com"),
        path=target.partition(b"?")[0],
        query=target.partition(b"?")[2] or None,
        route_path=b"/a",
        authority=b"example.com",
    )
    return Things(
        **{
            "number": 1,
            "client": "192.0.2.7",
            "identity": None,
            "client_port": 40000,
            "scheme": b"https",
            "head": head,
            "started_wall": 1_800_000_000.25,
            "status": 200,
            "bytes_sent": 512,
            "bytes_received": 0,
            "request_time": 0.0301234567,
            "attempt": Things(connect_time=0.001, header_time=0.02, response_time=0.03, upgrade_time=None),
            "route": Things(name="/", settings=Things(log=(), request_id=None)),
            "pool_name": "app",
            "peer_name": "app1:3000",
            "cache_status": "",
            "reason": None,
            "downstream": Things(port=443, trusted=False),
            "noted": None,
            **attributes,
        }
    )
