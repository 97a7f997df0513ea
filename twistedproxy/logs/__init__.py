"""Logs of exchanges and of connections of streams: which of them, as which lines, and where these go."""
