"""The schedulers, by the names that site.ini has for them."""

from __future__ import annotations

from random import Random

from twistedproxy.balance.schedulers.least_connections import LeastConnections
from twistedproxy.balance.schedulers.least_time import LeastTime
from twistedproxy.balance.schedulers.random_two import RandomTwo
from twistedproxy.balance.schedulers.round_robin import SmoothRoundRobin
from twistedproxy.balance.schedulers.scheduler import Scheduler


def scheduler_called(name: str, random: Random) -> Scheduler:
    """
    The scheduler that ``balance = NAME`` means; one that needs chance has it from *random*.

    Requests without a key, where ``balance = hash …``, take turns.
    """
    if name == "least_connections":
        return LeastConnections()
    if name == "least_time":
        return LeastTime()
    if name == "random_two":
        return RandomTwo(random)
    return SmoothRoundRobin()
