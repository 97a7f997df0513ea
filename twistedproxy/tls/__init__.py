"""Certificates over time: files that change, expiry, the word of their issuers, ACME."""
