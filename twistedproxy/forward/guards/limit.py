"""``[limit NAME]``: what keys may take of something, whichever routes they take it on."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from twistedproxy.forward.guards.arrivals import Arrivals, Rate
from twistedproxy.message import Field
from twistedproxy.settings.limits import LimitSettings
from twistedproxy.templates import REQUEST_NAMES, Template

if TYPE_CHECKING:
    from twistedproxy.forward.exchange import Exchange


class Limit:
    """
    A limit that lives: its settings, what keys have used up, and what was counted.

    :param secret: nobody who does not know it can choose keys that are counted together
    :ivar passed: requests that were let in at once
    :ivar delayed: requests that had to wait for their turn
    :ivar refused: requests that were refused; with ``dry_run``: that would have been
    :ivar waiting: requests that wait now
    :ivar running: exchanges that run now, by key, where their number is limited
    :ivar rate: None when it is not limited
    :ivar sent: bytes, by key, likewise
    :ivar knows_users: its key needs to know who asks
    """

    def __init__(self, settings: LimitSettings, secret: bytes) -> None:
        self.settings = settings
        self.name = settings.name
        self.rate = Rate(settings.rate, settings.burst) if settings.rate is not None else None
        self.arrivals = Arrivals(settings.memory if self.rate is not None else 0, secret)
        self.sent = Arrivals(settings.memory if settings.bandwidth is not None else 0, secret)
        self.running: Counter[str] = Counter()
        self.passed = self.delayed = self.refused = self.waiting = 0
        template = Template.parse(settings.key, REQUEST_NAMES)
        self._template = template
        self._is_client = settings.key == "{client}"
        self._masked = settings.ipv6_prefix < 128 and "client" in template.names
        self._mask = ((1 << settings.ipv6_prefix) - 1) << (128 - settings.ipv6_prefix)
        self.knows_users = any(name == "user" or name.startswith("jwt.") for name in template.names)
        self.policy = self._policy()

    def __repr__(self) -> str:
        return f"<Limit {self.name}: {self.passed} passed, {self.delayed} delayed, {self.refused} refused>"

    @property
    def shared(self) -> int:
        """Keys that have taken over what was known of others, because ``memory`` is too small."""
        return self.arrivals.shared + self.sent.shared

    def key(self, exchange: Exchange) -> str:
        """By what *exchange* is counted; empty: it is not."""
        if self._is_client:
            return self._client(exchange.client)
        if not self._masked:
            return self._template.render(exchange.value)
        return self._template.render(lambda name: self._client(exchange.client) if name == "client" else exchange.value(name))

    def _client(self, client: str) -> str:
        """An address; of IPv6 the part that whoever has one network cannot choose."""
        if not self._masked or ":" not in client:
            return client
        try:
            address = IPv6Address(client.partition("%")[0])
        except ValueError:
            return client
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Address(int(address) & self._mask))

    # Rates.

    def look(self, key: str, now: float) -> tuple[int, int, float]:
        """Tag, place and time of *key*."""
        tag = self.arrivals.tag(key.encode("utf-8", "surrogateescape"))
        return tag, *self.arrivals.look(tag, now)

    @property
    def is_plain(self) -> bool:
        """Whether a rate is all that it has."""
        settings = self.settings
        return self.rate is not None and not (
            settings.delay or settings.connections or settings.bandwidth or settings.announce or settings.dry_run
        )

    def take(self, key: str, now: float) -> bool:
        """Count a request, if the rate lets it in at once; otherwise nothing happens."""
        rate = self.rate
        assert rate is not None
        tag, place, time = self.look(key, now)
        if rate.late(time, now) > 0:
            return False
        self.arrivals.note(place, tag, time + rate.interval, now)
        self.passed += 1
        return True

    def may_wait(self, late: float, time: float, now: float) -> bool:
        """Whether a request that is *late* by so many seconds waits, instead of being let in or refused at once."""
        return self.settings.delay and late <= 0 < time - now

    # What clients are told (draft-ietf-httpapi-ratelimit-headers-10).

    def _policy(self) -> str:
        if self.rate is None:
            return ""
        quota = self.settings.burst + 1
        window = max(1, round(quota * self.rate.interval))
        return f'"{self.name}";q={quota};w={window}'

    def told(self, time: float, now: float) -> str:
        """The member of RateLimit for a key whose time is *time*."""
        assert self.rate is not None
        return f'"{self.name}";r={self.rate.left(time, now)};t={whole_seconds(time - now)}'


def whole_seconds(seconds: float) -> int:
    """*seconds* as clients are told them: whole, and not too few."""
    return max(0, -int(-seconds // 1))


def rate_fields(policies: list[str], told: list[str]) -> tuple[Field, ...]:
    """RateLimit-Policy and RateLimit."""
    if not told:
        return ()
    return (
        (b"RateLimit-Policy", ", ".join(policies).encode("ascii")),
        (b"RateLimit", ", ".join(told).encode("ascii")),
    )
