"""Error pages, of listeners and of routes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class PageFile:
    """
    A file of ``error_page``, as it was when the site was read.

    :ivar media_type: by its extension
    """

    path: str
    media_type: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class ErrorPage:
    """
    One line of ``error_page``: ``STATUS… [=STATUS] FILE…``, or ``STATUS… default``.

    :ivar statuses: as they are written: ``404``, or ``5xx`` for a class
    :ivar files: one of each media type; none stands for the proxy's own words
    :ivar status: that is answered instead; 0 for the same
    """

    statuses: tuple[str, ...]
    files: tuple[PageFile, ...] = ()
    status: int = 0


#: What ``error_page`` is, wherever it stands.
ERROR_PAGE_DOC: Final = (
    "STATUS… FILE… a line, 4xx or 5xx for all of a class, =STATUS before the file to answer with another one, default for the "
    "proxy's own words; files are .html, .json, .txt or .xml, of which clients get what they ask for"
)
