"""Spans of exchanges and of their attempts, for OpenTelemetry: made when an exchange has ended, and sent in a thread."""
