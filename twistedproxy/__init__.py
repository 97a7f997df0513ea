"""A reverse proxy on Twisted: HTTP and WebSocket, TLS, pools, cache, and an admin shell."""
