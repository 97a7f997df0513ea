"""``[limit NAME]``: what clients may take at most."""

from __future__ import annotations

from dataclasses import dataclass

from twistedproxy.settings.knob import knob


@dataclass(frozen=True)
class LimitSettings:
    """What clients, or whoever a key tells apart, may take at most; it counts for all routes that name it together."""

    name: str
    key: str = knob("limit_key", "a template: requests for which it comes out alike count together", default="{client}")
    rate: float | None = knob("rate", "requests, for instance 10r/s or 600r/m; any number without")
    burst: int = knob("integer", "requests beyond the rate that may come at once", default=0, minimum=0, maximum=1_000_000)
    delay: bool = knob("boolean", "those wait until the rate allows them; no: they are let in at once", default=False)
    connections: int = knob("integer", "requests (and WebSockets) at a time; 0: any number", default=0, minimum=0)
    bandwidth: int | None = knob(
        "bandwidth", "bytes of answers, for instance 500k/s or 1m/s, for all of a key; any number without"
    )
    memory: int = knob(
        "size",
        "bytes for what is known of keys, 16 for each; with too few, keys are counted together, never forgotten",
        default=16 * 1024**2,
        minimum=1024,
        maximum=4 * 1024**3,
    )
    ipv6_prefix: int = knob(
        "integer",
        "{client} is so many bits of an IPv6 address: one client has whole networks",
        default=64,
        minimum=16,
        maximum=128,
    )
    announce: bool = knob("boolean", "every answer says by RateLimit fields what is left; no: only refusals do", default=False)
    dry_run: bool = knob("boolean", "nothing is refused or delayed; it is counted and logged what would be", default=False)
