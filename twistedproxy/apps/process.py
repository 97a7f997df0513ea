"""What apps need of the process that they run in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twistedproxy.transport.deadlines import Deadlines


@dataclass(frozen=True)
class Process:
    """
    The process.

    :ivar reactor: whose time it is
    :ivar in_reactor: has something called on the reactor, soon; may be called in any thread
    """

    reactor: Any
    deadlines: Deadlines
    in_reactor: Callable[..., object]
