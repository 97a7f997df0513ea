"""
Cache-Control (RFC 9111 §5.2), Age (§5.1) and Pragma (§5.4) as values; malformed and repeated parts to the safe side.

``safe`` arguments name the value that makes a cache most careful: 0 seconds for a lifetime, :data:`FOREVER` for a demand.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from twistedproxy.message import Headers

#: Larger numbers of seconds count as this one (RFC 9111 §1.2.2).
FOREVER: Final = 2**31

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_NAME: Final = re.compile(_TOKEN)
_DIGITS: Final = re.compile(rb"[0-9]+")
_BLANKS: Final = re.compile(rb"[ \t,]*")
# cache-directive = token [ "=" ( token / quoted-string ) ]
_DIRECTIVE: Final = re.compile(
    rb"(?P<name>" + _TOKEN + rb")(?:=(?:(?P<token>" + _TOKEN + rb')|"(?P<quoted>(?:[\t !\x23-\x5b\x5d-\x7e\x80-\xff]'
    rb'|\\[\t \x21-\x7e\x80-\xff])*)"))?[ \t]*(?:,|\Z)'
)
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)


class Directives:
    """
    The directives of one message.

    :ivar malformed: a part of the field could not be understood; what it meant to forbid is unknown
    """

    __slots__ = ("_arguments", "malformed")

    def __init__(self, arguments: dict[bytes, tuple[tuple[bytes | None, bool], ...]], malformed: bool) -> None:
        self._arguments = arguments
        self.malformed = malformed

    def __contains__(self, name: object) -> bool:
        return name in self._arguments

    def __bool__(self) -> bool:
        return bool(self._arguments) or self.malformed

    def seconds(self, name: bytes, *, safe: int) -> int | None:
        """
        The delta-seconds of the directive *name* (RFC 9111 §1.2.2), None when it is absent.

        Without a number, or with a malformed one, it is *safe*; of several numbers the one nearest to *safe* counts
        (§4.2.1).  Token and quoted forms are both accepted (§5.2).
        """
        arguments = self._arguments.get(name)
        if arguments is None:
            return None
        numbers = []
        for value, _ in arguments:
            if value is None or not _DIGITS.fullmatch(value):
                return safe
            numbers.append(delta_seconds(value))
        return min(numbers) if safe == 0 else max(numbers)

    def bare(self, name: bytes) -> bool:
        """Whether the directive *name* stands there, every time without an argument."""
        return name in self._arguments and all(value is None for value, _ in self._arguments[name])

    def whole(self, name: bytes) -> bool:
        """
        Whether ``no-cache`` or ``private`` stands there for the whole response.

        The qualified form must be a quoted list of field names (§5.2.2.4, §5.2.2.7); anything else counts as unqualified.
        """
        return any(_field_names(value, quoted) is None for value, quoted in self._arguments.get(name, ()))

    def fields(self, name: bytes) -> frozenset[bytes]:
        """The field names, in lower case, of the qualified form of ``no-cache`` or ``private``; empty when there are none."""
        names: set[bytes] = set()
        for value, quoted in self._arguments.get(name, ()):
            names |= _field_names(value, quoted) or frozenset()
        return frozenset(names)


def _field_names(value: bytes | None, quoted: bool) -> frozenset[bytes] | None:
    if value is None or not quoted:
        return None
    names = frozenset(part.strip(b" \t").lower() for part in value.split(b","))
    return names if all(_NAME.fullmatch(name) for name in names) else None


@lru_cache(maxsize=1024)
def parse_directives(value: bytes) -> Directives:
    """The directives of a Cache-Control value, its lines joined by commas; names are compared in lower case (§5.2)."""
    arguments: dict[bytes, tuple[tuple[bytes | None, bool], ...]] = {}
    position, end, malformed = 0, len(value), False
    while True:
        blanks = _BLANKS.match(value, position)
        position = blanks.end() if blanks else position
        if position >= end:
            break
        found = _DIRECTIVE.match(value, position)
        if found is None:
            malformed = True
            following = value.find(b",", position)
            if following < 0:
                break
            position = following + 1
            continue
        quoted = found["quoted"] is not None
        argument = _ESCAPED.sub(rb"\1", found["quoted"]) if quoted else found["token"]
        name = found["name"].lower()
        arguments[name] = (*arguments.get(name, ()), (argument, quoted))
        position = found.end()
    return Directives(arguments, malformed)


def cache_control(headers: Headers) -> Directives:
    """The Cache-Control of a message; empty when it has none."""
    return parse_directives(headers.joined(b"cache-control") or b"")


def pragma_no_cache(headers: Headers) -> bool:
    """Whether Pragma says no-cache; it has a meaning only where Cache-Control is absent (RFC 9111 §5.4)."""
    value = headers.joined(b"pragma")
    return value is not None and b"no-cache" in parse_directives(value)


def delta_seconds(digits: bytes) -> int:
    """The number that *digits* spell, at most FOREVER (RFC 9111 §1.2.2)."""
    significant = digits.lstrip(b"0")
    # A number of hundreds of digits must not cost more than a short one.
    return min(int(significant or b"0"), FOREVER) if len(significant) <= 10 else FOREVER


def age_value(headers: Headers) -> int:
    """Age in seconds; of a list the first member counts, and a malformed one is ignored (RFC 9111 §5.1)."""
    first = (headers.joined(b"age") or b"").split(b",", 1)[0].strip(b" \t")
    return delta_seconds(first) if _DIGITS.fullmatch(first) else 0
