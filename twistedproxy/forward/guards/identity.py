"""Who a request comes from, once a guard knows: a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from twistedproxy.message import Field, Headers


def plain_name(name: bytes) -> bytes:
    """A field's *name* as CGI-like backends know it: in one case, and without a difference of ``_`` and ``-``."""
    return name.lower().replace(b"_", b"-")


@dataclass(frozen=True, slots=True)
class Identity:
    """
    What a guard has found out.

    :ivar user: the name that logs and limits know; empty when there is none
    :ivar claims: of a token
    :ivar dropped: by :func:`plain_name`: the fields that do not go to a peer as the client sent them
    :ivar fields: that the peer gets instead
    """

    user: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    dropped: frozenset[bytes] = frozenset()
    fields: tuple[Field, ...] = ()

    def joined(self, other: Identity) -> Identity:
        """What this one and the *other* say together; of two names the first stands."""
        return Identity(
            self.user or other.user,
            {**other.claims, **self.claims},
            self.dropped | other.dropped,
            self.fields + other.fields,
        )

    def for_peer(self, fields: Headers) -> Headers:
        """The *fields* of a request as a peer gets them."""
        if self.dropped:
            fields = fields.without({name for name in fields.index if plain_name(name) in self.dropped})
        return fields.plus(*self.fields)

    def claim(self, name: str) -> str | None:
        """A claim as text: elements of a list with blanks between; ``a.b`` is b of the claim a; None when there is none."""
        return claim_text(self.claims, name)


def claim_text(claims: Mapping[str, Any], name: str) -> str | None:
    """As :meth:`Identity.claim`, of *claims*."""
    value: Any = claims.get(name)
    if value is None and "." in name:
        value = claims
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list):
        return " ".join(str(each) for each in value if isinstance(each, str | int | float))
    return None


#: Of a request that a guard has let in without knowing more.
NOBODY: Final = Identity()
