"""
Templates in values of site.ini: text with ``{name}`` where something of the exchange is put in.

``{{`` and ``}}`` stand for the braces themselves.  A template is parsed once, when the configuration is read; an unknown
name is an error there, so that :meth:`Template.render` cannot fail on a request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Final

from twistedproxy.spelling import choose_from

#: Names that can be rendered as soon as the route of a request is known.  A name that ends in a dot takes an argument.
REQUEST_NAMES: Final = frozenset(
    (
        "client",
        "client_port",
        "scheme",
        "host",
        "port",
        "method",
        "uri",
        "path",
        "query",
        "protocol",
        "header.",
        "cookie.",
        "arg.",
        "route",
        "request_id",
        "trace_id",
        "user",
        "jwt.",
        "capture.",
        "map.",
        "client_cert.verified",
        "client_cert.subject",
        "client_cert.issuer",
        "client_cert.serial",
        "client_cert.fingerprint",
    )
)

#: Those whose values may differ for requests that are alike; of names with an argument the part before the dot.
VOLATILE_NAMES: Final = frozenset(("map", "request_id", "trace_id", "traceparent", "tracestate"))

#: Names for the head of a request to a peer: those, and where it goes.
PEER_NAMES: Final = REQUEST_NAMES | {"pool", "peer", "traceparent", "tracestate"}

#: Names for the head of an answer.
RESPONSE_NAMES: Final = REQUEST_NAMES | {"pool", "peer", "status", "cache_status", "connect_time", "header_time"}

#: Every name: those of the request, and those that are known when the exchange has ended.
LOG_NAMES: Final = REQUEST_NAMES | {
    "pool",
    "peer",
    "status",
    "cache_status",
    "bytes_sent",
    "bytes_received",
    "request_time",
    "connect_time",
    "header_time",
    "response_time",
    "upgrade_time",
    "time_local",
    "time_iso",
    "request_line",
    "error",
}

#: Names of logs of streams: of connections that were joined with peers byte for byte.
STREAM_NAMES: Final = frozenset(
    (
        "client",
        "client_port",
        "port",
        "scheme",
        "stream",
        "server_name",
        "pool",
        "peer",
        "tries",
        "bytes_sent",
        "bytes_received",
        "connect_time",
        "session_time",
        "time_local",
        "time_iso",
        "error",
    )
)

_PIECE = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|(?P<stray>[{}])")
# RFC 9110 §5.6.2: token; field names and cookie names are tokens, and names of query arguments are kept to them here.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True)
class Template:
    """
    A parsed template.

    :ivar text: as it stands in site.ini
    :ivar literals: the text before, between and after the names: always one more than there are names
    :ivar names: what is put in, in order; the argument of ``header.NAME`` in lower case
    """

    text: str
    literals: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, allowed: Set[str] = LOG_NAMES) -> Template:
        """
        Understand *text*, in which only the names of *allowed* may occur.

        :raises ValueError: a brace stands alone, or a name is not known here; the message says what was probably meant
        """
        literals: list[str] = []
        names: list[str] = []
        literal = ""
        end = 0
        for piece in _PIECE.finditer(text):
            literal += text[end : piece.start()]
            end = piece.end()
            if piece["stray"]:
                raise ValueError(
                    f"a brace stands alone at character {piece.start() + 1}; write {{{{ or }}}} for the brace itself"
                )
            if piece["name"] is None:
                literal += piece[0][0]
                continue
            names.append(_checked_name(piece["name"], allowed))
            literals.append(literal)
            literal = ""
        literals.append(literal + text[end:])
        return cls(text, tuple(literals), tuple(names))

    @property
    def is_constant(self) -> bool:
        """Whether the result is the same for every exchange."""
        return not self.names

    def render(self, lookup: Callable[[str], str]) -> str:
        """The text with *lookup(name)* in place of every name, for instance ``lookup("header.user-agent")``."""
        pieces = [self.literals[0]]
        for name, literal in zip(self.names, self.literals[1:], strict=True):
            pieces.append(lookup(name))
            pieces.append(literal)
        return "".join(pieces)


def _checked_name(name: str, allowed: Set[str]) -> str:
    stem, dot, argument = name.partition(".")
    if dot and stem + "." in allowed:
        if not _TOKEN.fullmatch(argument):
            raise ValueError(f"{{{name}}} needs a name after the dot; write for instance {{{stem}.{_EXAMPLES[stem]}}}")
        return f"{stem}.{argument.lower()}" if stem == "header" else name
    if not name.endswith(".") and name in allowed:
        return name
    if name + "." in allowed:
        raise ValueError(f"{{{name}}} needs a name after a dot; write for instance {{{name}.{_EXAMPLES[name]}}}")
    if (name in LOG_NAMES and not name.endswith(".")) or (dot and stem + "." in LOG_NAMES):
        raise ValueError(f"{{{name}}} is not known before there is an answer; only what the request says can stand here")
    shown = {f"{{{known}NAME}}" if known.endswith(".") else f"{{{known}}}" for known in allowed}
    raise ValueError(f"{{{name}}} is not a name of templates; {choose_from(f'{{{name}}}', shown)}")


_EXAMPLES: Final = {
    "capture": "version",
    "map": "plan",
    "header": "user-agent",
    "cookie": "session",
    "arg": "page",
    "jwt": "sub",
}
