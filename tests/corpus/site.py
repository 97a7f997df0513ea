"""The site that the cases are played on: one origin, and a route for everything that a case may want to walk around."""

from __future__ import annotations

from typing import Final

#: ``{origin}`` is the port of the origin; ``@NAME`` becomes a free port for a listener.
SITE: Final = """
[site]
stop_timeout = 0s
[listen http]
on = tcp:127.0.0.1:@http
protocols = http/1.1
[listen brief]
; where time is short
on = tcp:127.0.0.1:@brief
header_timeout = 1s
keepalive_timeout = 1s
half_close_timeout = 1s
[listen trusting]
; for a proxy that is believed
on = tcp:127.0.0.1:@trusting
trusted_proxies = 127.0.0.0/8
[pool origin]
servers = 127.0.0.1:{origin}
keepalive = 1000
max_fails = 0
[cache answers]
directory = cache
[route /]
pool = origin
[route /brief/]
pool = origin
client_timeout = 1s
read_timeout = 1s
send_timeout = 1s
[route /steady/]
; where drops are not enough
pool = origin
min_rate = 1k
min_rate_grace = 1s
[route /timed/]
pool = origin
total_timeout = 1s
[route /collected/]
pool = origin
request_buffering = yes
client_timeout = 1s
[route /small/]
pool = origin
max_body = 8
[route /cached/]
pool = origin
cache = answers
[route /stripped/]
pool = origin
strip_prefix = /stripped
[route /tunnel/]
pool = origin
[route /no-tunnel/]
pool = origin
websocket = no
[route /private/]
; what nobody may reach by another name
redirect = 302 https://login.example/
[route private.example/]
redirect = 302 https://login.example/
[route /moved/]
redirect = 301 https://{{host}}{{uri}}
"""
