"""A redirect to where a template says."""

from __future__ import annotations

from twistedproxy.answers import replies
from twistedproxy.answers.answer import Asked
from twistedproxy.templates import Template


class Redirect:
    """
    An :class:`twistedproxy.answers.answer.Answer`.

    :param status: 301, 302, 303, 307 or 308
    :param location: a template of ``templates.REQUEST_NAMES``
    """

    def __init__(self, status: int, location: str) -> None:
        self._status = status
        self._location = Template.parse(location)

    def answer(self, exchange: Asked) -> None:
        """Send the client elsewhere."""
        exchange.reply(*replies.redirect(self._status, self._location.render(exchange.value).encode("latin-1")))
