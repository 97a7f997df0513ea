"""What a route changes on the way: header fields, cookies, targets, bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: What can be done to header fields; ``default`` sets what is not there.
HEADER_ACTIONS: Final = ("set", "add", "append", "default", "remove")


@dataclass(frozen=True)
class HeaderEdit:
    """
    One line of request_headers or response_headers: ``set NAME VALUE``, … or ``remove NAME``.

    :ivar action: one of :data:`HEADER_ACTIONS`
    :ivar value: a template
    """

    action: str
    name: str
    value: str = ""


@dataclass(frozen=True)
class FromTo:
    """``FROM TO``: what becomes of something; *to* is a template, and empty where it is to be left out."""

    source: str
    to: str


@dataclass(frozen=True)
class CookieFlags:
    """
    ``NAME FLAG…``: what cookies get or lose.

    :ivar name: of the cookie; ``*`` in it stands for any characters
    :ivar flags: attributes as they are written, in lower case: ``secure``, ``samesite=lax``, ``nosecure``, …
    """

    name: str
    flags: tuple[str, ...]


@dataclass(frozen=True)
class RewriteRule:
    """``REGEX REPLACEMENT``: what becomes of a path; *replacement* is a template, with ``\\1`` for groups."""

    pattern: str
    replacement: str


@dataclass(frozen=True)
class Substitution:
    """
    ``FROM TO``: what becomes of text in bodies.

    :ivar is_regex: *source* is a regular expression
    :ivar to: a template; with ``\\1`` for groups of a regular expression
    """

    source: str
    to: str
    is_regex: bool = False
