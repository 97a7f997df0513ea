"""Certificates over time: files that change, expiry."""
