"""Sites of plays."""

from __future__ import annotations

#: One peer, everything else by default.
ONE = """
[pool app]
servers = 10.0.0.1:80
[route /]
pool = app
"""

#: Two peers.
TWO = """
[pool app]
servers =
    10.0.0.1:80
    10.0.0.2:80
[route /]
pool = app
"""

FIRST, SECOND = "10.0.0.1:80", "10.0.0.2:80"

#: A request as a client sends it, and as a peer of these sites gets it.
ASKED = """
    GET / HTTP/1.1
    Host: example.com
"""
FORWARDED = """
    GET / HTTP/1.1
    Host: example.com
    Via: 1.1 twistedproxy
"""

#: An answer, which reaches the client unchanged.
ANSWER = """
    HTTP/1.1 200 OK
    Content-Length: 5
"""
