"""
Which guards a route has, and in what order they are asked: this is their one list.

    1. allow, deny               no request of an address that may not in costs anything more
    2. limits by what is known   of every request: addresses, fields, the path
    3. jwt, basic_auth, forward_auth: the cheapest first
    4. limits by who asks        {user}, {jwt.…}
    5. bandwidth                 lets everybody in, at a pace

Filters of the site (``filters``) are asked behind all of them.

With ``satisfy = any``, 1 and 3 are one guard, in the place of 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from twistedproxy.forward.guards.addresses import AddressGuard, AddressList
from twistedproxy.forward.guards.authentication import Authentication
from twistedproxy.forward.guards.basic import BasicAuth, Passwords
from twistedproxy.forward.guards.bearer import FetchedKeys, FileKeys, Keys, TokenAuth
from twistedproxy.forward.guards.decisions import Authenticator
from twistedproxy.forward.guards.forward_auth import ForwardAuth
from twistedproxy.forward.guards.limit import Limit
from twistedproxy.forward.guards.limiting import Limiting
from twistedproxy.forward.guards.pace import Pacing
from twistedproxy.forward.guards.premises import Premises
from twistedproxy.forward.routes import Guard
from twistedproxy.settings.limits import LimitSettings
from twistedproxy.settings.routes import RouteSettings
from twistedproxy.settings.tokens import JWT_PAIRS


class Guards:
    """
    Makes the guards of routes; what they share, they get here.

    :param limits: the [limit …] sections, by name
    :param premises: where they stand
    :param before: limits that live; those that are to be the same go on counting
    :ivar limits: the limits that live, by name
    """

    def __init__(
        self, limits: Mapping[str, LimitSettings], premises: Premises, before: Mapping[str, Limit] = MappingProxyType({})
    ) -> None:
        self.limits: dict[str, Limit] = {}
        for name, each in limits.items():
            known = before.get(name)
            self.limits[name] = known if known is not None and known.settings == each else Limit(each, premises.secret)
        self._premises = premises
        self._passwords: dict[str, Passwords] = {}
        self._keys: dict[tuple[str, tuple[str, ...], float], Keys] = {}

    def of(self, route: RouteSettings) -> tuple[Guard, ...]:
        """
        The guards of *route*; none for one that says nothing of the matter.

        :raises OSError: a file that it names cannot be read any more
        :raises ValueError: or has become something else
        """
        limits = [self.limits[name] for name in route.limits]
        early = [limit for limit in limits if not limit.knows_users]
        late = [limit for limit in limits if limit.knows_users]
        guards: list[Guard] = []
        addresses = AddressList(route.allow, route.deny) if route.allow or route.deny else None
        authenticators = self._authenticators(route)
        any_will_do = route.satisfy == "any" and bool(authenticators)
        if addresses is not None and not any_will_do:
            guards.append(AddressGuard(addresses))
        if early:
            guards.append(Limiting(early))
        if authenticators:
            guards.append(Authentication(authenticators, any_will_do, addresses))
        if late:
            guards.append(Limiting(late))
        if route.bandwidth is not None:
            guards.append(Pacing(route))
        return tuple(guards)

    def _authenticators(self, route: RouteSettings) -> list[Authenticator]:
        found: list[Authenticator] = []
        if route.jwt is not None:
            found.append(TokenAuth(route, self._keys_of(route.jwt, route), self._premises))
        if route.basic_auth is not None:
            if route.basic_auth not in self._passwords:
                self._passwords[route.basic_auth] = Passwords(route.basic_auth, self._premises)
            found.append(BasicAuth(route, self._passwords[route.basic_auth]))
        if route.forward_auth is not None:
            found.append(ForwardAuth(route, self._premises))
        return found

    def _keys_of(self, source: str, route: RouteSettings) -> Keys:
        algorithms = route.jwt_algorithms or JWT_PAIRS
        place = (source, algorithms, route.jwt_refresh)
        if place not in self._keys:
            if source.startswith(("http://", "https://")):
                self._keys[place] = FetchedKeys(source, algorithms, route.jwt_refresh, self._premises)
            else:
                self._keys[place] = FileKeys(source, algorithms, self._premises)
        return self._keys[place]
