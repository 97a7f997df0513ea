"""Who an operator is, and what that allows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import total_ordering


@total_ordering
class Role(Enum):
    """What a key may do; each may what those before it may."""

    OBSERVE = "observe"
    OPERATE = "operate"
    PROGRAM = "program"

    def __lt__(self, other: Role) -> bool:
        ranks = list(Role)
        return ranks.index(self) < ranks.index(other)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Who:
    """
    An operator.

    :ivar name: how logs call whoever it is: the comment of the key
    :ivar key: the fingerprint of the key; empty where somebody has come in another way
    :ivar address: from where; empty where that is not known
    """

    name: str
    role: Role = Role.PROGRAM
    key: str = ""
    address: str = ""

    @property
    def identity(self) -> str:
        """By what somebody is known again: two keys may have the same comment."""
        return self.key or self.name

    def __str__(self) -> str:
        return self.name
