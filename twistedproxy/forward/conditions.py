"""Conditions of routes (``match``): what a request must be like, beside its scheme, host and path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twistedproxy.forward import values
from twistedproxy.forward.clients import TrustedProxies
from twistedproxy.settings.routes import RouteCondition
from twistedproxy.templates import VOLATILE_NAMES, Template

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange


class Condition:
    """
    One line of ``match``.

    :ivar settings: as it was read
    :ivar varies: it depends on more than the head of a request and who sent it
    """

    __slots__ = ("_methods", "_name", "_networks", "_pattern", "_template", "_value", "settings", "varies")

    def __init__(self, settings: RouteCondition) -> None:
        self.settings = settings
        self._methods = frozenset(value.encode("ascii") for value in settings.values if settings.subject == "method")
        self._networks = TrustedProxies(settings.values) if settings.subject == "client" else None
        self._template = Template.parse(settings.name) if settings.subject == "value" else None
        self._name = f"{settings.subject}.{settings.name}"
        self._pattern: re.Pattern[str] | None = None
        self._value: str | None = None
        if settings.operator:
            # Values of requests are bytes, taken as Latin-1.
            (value,) = settings.values
            latin = value.encode("utf-8").decode("latin-1")
            if settings.operator == "~":
                self._pattern = re.compile(latin)
            else:
                self._value = latin
        self.varies = self._template is not None and is_volatile(self._template)

    def holds(self, exchange: Exchange) -> bool:
        """Whether the request of *exchange* is like that."""
        return self._is_met(exchange) is not self.settings.negated

    def _is_met(self, exchange: Exchange) -> bool:
        if self._methods:
            return exchange.head.method in self._methods
        if self._networks is not None:
            return exchange.client in self._networks
        if self._template is not None:
            found: str | None = self._template.render(lambda name: values.value_of(exchange, name))
        else:
            found = values.argument_of(exchange, self._name)
        if found is None:
            return False
        if self._pattern is not None:
            return self._pattern.search(found) is not None
        if self._value is not None:
            return found == self._value
        return found not in _NOTHING if self._template is not None else True


#: What a template's value is where there is nothing, as for ``cache_bypass``.
_NOTHING: Final = frozenset(("", "-", "0"))


def is_volatile(template: Template) -> bool:
    """Whether *template* may come out differently for the same request."""
    return any(name.partition(".")[0] in VOLATILE_NAMES for name in template.names)


def conditions_of(settings: Sequence[RouteCondition]) -> tuple[Condition, ...]:
    """The conditions of a route."""
    return tuple(Condition(each) for each in settings)
