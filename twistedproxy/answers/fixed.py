"""A small text that a route answers by itself."""

from __future__ import annotations

from twistedproxy.answers.answer import Asked
from twistedproxy.answers.replies import phrase
from twistedproxy.message import Field, Headers, ResponseHead
from twistedproxy.settings.answers import FixedAnswer
from twistedproxy.templates import Template

#: Statuses without a body (RFC 9110 §6.4.1).
_EMPTY = frozenset((204, 304))


class Fixed:
    """
    An :class:`twistedproxy.answers.answer.Answer`: plain text, so that no client's words in it can become a page.

    :param answer: its status, and a template of ``templates.REQUEST_NAMES``
    """

    def __init__(self, answer: FixedAnswer) -> None:
        self._status = answer.status
        # Values are Latin-1 characters that stand for bytes: so is the text.
        self._text = Template.parse(answer.text.encode("utf-8").decode("latin-1"))

    def answer(self, exchange: Asked) -> None:
        """Say it."""
        fields: list[Field] = [(b"Server", b"twistedproxy")]
        body = self._text.render(exchange.value).encode("latin-1")
        if self._status in _EMPTY:
            body = b""
        else:
            body += b"\n" if body else b""
            fields += [(b"Content-Type", b"text/plain; charset=utf-8"), (b"X-Content-Type-Options", b"nosniff")]
            fields.append((b"Content-Length", b"%d" % len(body)))
        head = ResponseHead(self._status, phrase(self._status).encode("ascii"), Headers(fields), length=len(body))
        if body or self._status < 400:
            exchange.reply(head, body)
        else:
            exchange.reply_with_page(head)
