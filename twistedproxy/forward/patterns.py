"""Regular expressions of routes' titles."""

from __future__ import annotations

import re

from twistedproxy.settings.routes import RouteMatch


def compiled(match: RouteMatch) -> re.Pattern[bytes]:
    """The regular expression of a route's title, for normalised paths."""
    return re.compile(match.pattern.encode("utf-8"), re.IGNORECASE if match.ignores_case else 0)
