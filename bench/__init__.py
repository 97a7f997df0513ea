"""Benchmarks: this proxy beside nginx, HAProxy, Caddy and two Python proxies, in one run (docs/performance.md)."""
