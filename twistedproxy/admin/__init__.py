"""Watching and changing a running proxy: status, metrics, shell."""
