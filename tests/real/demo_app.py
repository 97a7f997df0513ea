"""The demo's backends on other ports than their own, so that scenes run beside a demo that somebody looks at."""

from __future__ import annotations

import json
import os
from typing import Any

from twistedproxy.demo import backends


def make_service(reactor: Any, state_dir: str) -> Any:
    """The demo's backends, on the ports that the environment tells."""
    ports = json.loads(os.environ["DEMO_PORTS"])
    peers = tuple((name, ports[str(port)], weight) for name, port, weight in backends.PEERS)
    setattr(backends, "PEERS", peers)  # noqa: B010 - the name is Final for everybody else
    for name in ("CHAT_PORT", "PAGES_PORT", "HTTP_PORT", "HTTPS_PORT", "SHELL_PORT"):
        setattr(backends, name, ports[str(getattr(backends, name))])
    return backends.make_service(reactor, state_dir)
