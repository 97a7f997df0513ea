"""HAProxy, one thread, with its small-object cache and buffers as large as nginx's here (by default 16 KiB)."""

from __future__ import annotations

from bench.subjects.subject import Command, Feature, Site, first_line

_CONFIGURATION = """\
global
    nbthread 1
    tune.bufsize 65536
    maxconn {connections}
    tune.ssl.cachesize 0
    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
defaults
    mode http
    maxconn {connections}
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    http-reuse always
    option forwardfor
cache bench
    total-max-size 64
    max-object-size 1000000
    max-age 3600
frontend site
    bind 127.0.0.1:{http} backlog 4096
    bind 127.0.0.1:{https} backlog 4096 ssl crt {both} alpn h2,http/1.1
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    use_backend echo if {{ path /ws }}
    use_backend cached if {{ path_beg /cached/ }}
    default_backend origin
backend origin
    server origin 127.0.0.1:{origin}
backend cached
    http-request cache-use bench
    http-response cache-store bench
    server origin 127.0.0.1:{origin}
backend echo
    server echo 127.0.0.1:{echo}
"""


class HAProxy:
    """Debian's HAProxy."""

    name = "haproxy"
    features = frozenset(Feature) - {Feature.DISK_CACHE, Feature.FILES}

    def version(self) -> str:
        return first_line("haproxy", "-v").partition(" 20")[0].replace("version ", "")

    def command(self, site: Site) -> Command:
        path = site.write(
            "haproxy.cfg",
            _CONFIGURATION.format(
                connections=site.connections,
                http=site.http,
                https=site.https,
                origin=site.origin,
                echo=site.echo,
                both=site.certificate.both,
            ),
        )
        return Command(("haproxy", "-db", "-f", path))
