"""Load generators: wrk and ab for small requests, epoll clients of our own for bodies and WebSockets."""
