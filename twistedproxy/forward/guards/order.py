"""
Which guards a route has, and in what order they are asked: this is their one list.

    1. allow, deny               no request of an address that may not in costs anything more
    2. limits by what is known   of every request: addresses, fields, the path
    3. limits by who asks        {user}, {jwt.…}
    4. bandwidth                 lets everybody in, at a pace
"""

from __future__ import annotations

from collections.abc import Mapping

from twistedproxy.forward.guards.addresses import AddressGuard, AddressList
from twistedproxy.forward.guards.limit import Limit
from twistedproxy.forward.guards.limiting import Limiting
from twistedproxy.forward.guards.pace import Pacing
from twistedproxy.forward.routes import Guard
from twistedproxy.settings import LimitSettings, RouteSettings


class Guards:
    """
    Makes the guards of routes; what they share, they get here.

    :param limits: the [limit …] sections, by name
    :param secret: of this process: see :class:`Limit`
    :ivar limits: the limits that live, by name
    """

    def __init__(self, limits: Mapping[str, LimitSettings], secret: bytes) -> None:
        self.limits = {name: Limit(each, secret) for name, each in limits.items()}

    def of(self, route: RouteSettings) -> tuple[Guard, ...]:
        """The guards of *route*; none for one that says nothing of the matter."""
        limits = [self.limits[name] for name in route.limits]
        early = [limit for limit in limits if not limit.knows_users]
        late = [limit for limit in limits if limit.knows_users]
        guards: list[Guard] = []
        if route.allow or route.deny:
            guards.append(AddressGuard(AddressList(route.allow, route.deny)))
        if early:
            guards.append(Limiting(early))
        if late:
            guards.append(Limiting(late))
        if route.bandwidth is not None:
            guards.append(Pacing(route))
        return tuple(guards)
