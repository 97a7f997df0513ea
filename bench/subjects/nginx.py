"""
nginx, one worker.

Bodies are streamed in both directions, without temporary files and through large buffers; by default nginx relays 4 KiB at a
time, at two to three times the cost.  The cache is on disk.  A WebSocket takes two worker_connections, and there are more than
that, because nginx drops idle clients when fewer than a sixteenth are free.
"""

from __future__ import annotations

import os

from bench.subjects.subject import Command, Feature, Site, first_line

_CONFIGURATION = """\
{user}daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000000;
    keepalive_timeout 3600s;
    client_max_body_size 64m;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    proxy_cache_path {directory}/cache keys_zone=bench:10m inactive=1h;
    proxy_http_version 1.1;
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    proxy_buffers 8 64k;
    proxy_busy_buffers_size 128k;
    client_body_buffer_size 512k;
    upstream origin {{
        server 127.0.0.1:{origin} max_fails=0;
        keepalive 128;
        keepalive_requests 100000000;
        keepalive_timeout 3600s;
    }}
    upstream echo {{ server 127.0.0.1:{echo} max_fails=0; }}
    server {{
        listen 127.0.0.1:{http} backlog=4096;
        listen 127.0.0.1:{https} ssl http2 backlog=4096;
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_session_cache off;
        ssl_session_tickets off;
        proxy_set_header Host $http_host;
        proxy_set_header Connection "";
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        location / {{ proxy_pass http://origin; }}
        location /cached/ {{ proxy_pass http://origin; proxy_cache bench; }}
        location /files/ {{ root {documents}; }}
        location /ws {{
            proxy_pass http://echo;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_read_timeout 1h;
        }}
    }}
}}
"""


class Nginx:
    """Debian's nginx."""

    name = "nginx"
    features = frozenset(Feature)

    def version(self) -> str:
        return first_line("nginx", "-v").removeprefix("nginx version: ").replace("/", " ")

    def command(self, site: Site) -> Command:
        path = site.write(
            "nginx.conf",
            _CONFIGURATION.format(
                user="user root;\n" if os.geteuid() == 0 else "",
                directory=site.directory,
                documents=site.documents(),
                connections=3 * site.connections,
                files=site.files,
                http=site.http,
                https=site.https,
                origin=site.origin,
                echo=site.echo,
                chain=site.certificate.chain,
                key=site.certificate.key,
            ),
        )
        return Command(("nginx", "-c", path, "-e", "stderr"))
