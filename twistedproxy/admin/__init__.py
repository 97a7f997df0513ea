"""Watching and changing a running proxy: status, access log, shell."""
