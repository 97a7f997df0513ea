"""Caddy with GOMAXPROCS=1.  It has no cache of its own."""

from __future__ import annotations

import json

from bench.subjects.subject import Command, Feature, Site, first_line


def _reverse_proxy(port: int) -> dict[str, object]:
    """X-Forwarded-For, -Proto and -Host are Caddy's default."""
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"127.0.0.1:{port}"}],
        "transport": {"protocol": "http", "keep_alive": {"max_idle_conns_per_host": 128}},
    }


class Caddy:
    """Debian's Caddy."""

    name = "caddy"
    features = frozenset({Feature.HTTP, Feature.TLS, Feature.HTTP2, Feature.WEBSOCKET, Feature.FILES})

    def version(self) -> str:
        return f"Caddy {first_line('caddy', 'version')}"

    def command(self, site: Site) -> Command:
        routes = [
            {"match": [{"path": ["/ws"]}], "handle": [_reverse_proxy(site.echo)]},
            {"match": [{"path": ["/files/*"]}], "handle": [{"handler": "file_server", "root": site.documents()}]},
            {"handle": [_reverse_proxy(site.origin)]},
        ]
        server = {"automatic_https": {"disable": True}, "protocols": ["h1", "h2"], "routes": routes}
        configuration = {
            "admin": {"disabled": True, "config": {"persist": False}},
            "logging": {"logs": {"default": {"level": "ERROR"}}},
            "apps": {
                "http": {
                    "servers": {
                        "plain": {**server, "listen": [f"127.0.0.1:{site.http}"]},
                        "secure": {**server, "listen": [f"127.0.0.1:{site.https}"], "tls_connection_policies": [{}]},
                    }
                },
                "tls": {
                    "certificates": {
                        "load_files": [{"certificate": str(site.certificate.chain), "key": str(site.certificate.key)}]
                    },
                    "session_tickets": {"disabled": True},
                },
            },
        }
        path = site.write("caddy.json", json.dumps(configuration))
        home = str(site.directory)
        return Command(
            ("caddy", "run", "--config", path),
            {"GOMAXPROCS": "1", "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home},
        )
