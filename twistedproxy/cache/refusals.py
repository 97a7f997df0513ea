"""What was not stored lately, and why."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from twistedproxy.cache.outcomes import StoreVerdict

_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of *status* that was not stored at the moment *at*, seconds since 1970."""

    verdict: StoreVerdict
    status: int
    at: float


class Refusals:
    """The last refusal of each key; those noted longest ago are forgotten first."""

    def __init__(self) -> None:
        self._by_key: OrderedDict[bytes, Refusal] = OrderedDict()

    def note(self, key: bytes, verdict: StoreVerdict, status: int, now: float) -> None:
        """An answer for *key* was not stored."""
        self._by_key[key] = Refusal(verdict, status, now)
        self._by_key.move_to_end(key)
        if len(self._by_key) > _REMEMBERED:
            self._by_key.popitem(last=False)

    def of(self, key: bytes) -> Refusal | None:
        """The last one of *key*."""
        return self._by_key.get(key)
