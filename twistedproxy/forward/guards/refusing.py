"""How guards say no."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twistedproxy.forward import error_pages

if TYPE_CHECKING:
    from twistedproxy.errors import Reason
    from twistedproxy.forward.exchange import Exchange
    from twistedproxy.message import Field


def refuse(exchange: Exchange, reason: Reason, detail: str = "", fields: tuple[Field, ...] = ()) -> None:
    """Answer *exchange* with the status of *reason*, and with *fields* that say more."""
    exchange.reason, exchange.detail = reason, detail
    exchange.reply(*error_pages.error(exchange, reason), fields)
