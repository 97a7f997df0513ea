"""What Python had: a streaming proxy on aiohttp, and Twisted's own ``twisted.web.proxy``."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from bench.subjects.subject import Command, Feature, Site

_ROOT = str(Path(__file__).parents[2])


def _version(distribution: str) -> str:
    try:
        return f"{distribution} {importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _command(module: str, site: Site) -> Command:
    arguments = (
        sys.executable,
        "-m",
        module,
        *map(str, (site.http, site.https, site.origin, site.echo, site.certificate.chain, site.certificate.key)),
    )
    return Command(arguments, {"PYTHONPATH": _ROOT})


class AiohttpProxy:
    """``bench/programs/aiohttp_proxy.py``."""

    name = "aiohttp"
    features = frozenset({Feature.HTTP, Feature.TLS, Feature.WEBSOCKET})

    def version(self) -> str:
        return _version("aiohttp")

    def command(self, site: Site) -> Command:
        return _command("bench.programs.aiohttp_proxy", site)


class TwistedWebProxy:
    """``bench/programs/twisted_web_proxy.py``."""

    name = "twisted.web"
    features = frozenset({Feature.HTTP, Feature.TLS})

    def version(self) -> str:
        return _version("twisted")

    def command(self, site: Site) -> Command:
        return _command("bench.programs.twisted_web_proxy", site)
