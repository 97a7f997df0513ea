"""A listener whose site was read again: what it says of connections from then on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.kit.play import Play
from tests.transport.authority import Authority
from tests.transport.test_deadlines import Hands
from tests.transport.tls_wires import tls
from twistedproxy import errors
from twistedproxy.forward.secured import Secured
from twistedproxy.settings.tls import HstsSettings, TlsSettings
from twistedproxy.transport.contexts import TlsServer

SITE = "[route /]\nredirect = 301 /"


class Standing:
    """Anything, by its attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


def test_what_is_said_of_clients_follows_the_section_of_its_time(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    def server(**knobs: Any) -> TlsServer:
        settings: TlsSettings = tls(authority.issue("a.example"), **knobs)
        return TlsServer(settings, str(tmp_path), Hands())

    connection: Any = Standing(transport=Standing(client_certificate=None))
    with Play(SITE) as play:
        listener = play.listeners["http"]
        assert listener._secured(connection) is None
        for knobs, expected in (
            ({}, None),
            ({"hsts": HstsSettings(60.0)}, Secured(hsts=b"max-age=60")),
            ({"verify_client": "optional", "client_ca": authority.path}, Secured(True)),
            ({"verify_client": "require", "client_ca": authority.path}, Secured(True, None, errors.CLIENT_CERT_MISSING)),
            ({}, None),
        ):
            listener.revise(listener.settings, server(**knobs))
            assert listener._secured(connection) == expected
        # A handshake that ends when the listener has become a plain one.
        listener.revise(listener.settings, None)
        assert listener._secured(connection) is None


def test_the_fields_of_trusted_proxies_are_those_of_the_new_site() -> None:
    with Play(SITE) as play:
        listener = play.listeners["http"]
        trusting = replace(listener.settings, trusted_proxies=("192.0.2.0/24",), trusted_fields="rfc7239")
        listener.revise(trusting, None)
        assert listener.trusts("192.0.2.1")
        assert listener.trusted_proxies.believed == "rfc7239"
