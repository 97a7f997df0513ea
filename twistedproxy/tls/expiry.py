"""What is said about certificates whose end is near."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509

from twistedproxy.transport.credentials import Credential

#: So long before its end a certificate is warned of: time for a weekend and a holiday.
SOON: Final = timedelta(days=21)


def warnings(credentials: Iterable[Credential], now: datetime) -> Iterator[str]:
    """A line for each of *credentials* that has expired or soon will, or that is not valid yet; *now* in UTC."""
    for credential in credentials:
        leaf = credential.leaf
        if leaf.not_valid_after_utc <= now:
            yield f"{credential.source} expired on {leaf.not_valid_after_utc:%Y-%m-%d}; renew it"
        elif leaf.not_valid_after_utc <= now + soon(leaf.not_valid_after_utc - leaf.not_valid_before_utc):
            days = (leaf.not_valid_after_utc - now).days
            yield f"{credential.source} expires on {leaf.not_valid_after_utc:%Y-%m-%d}, in {days} days; renew it"
        elif leaf.not_valid_before_utc > now:
            yield f"{credential.source} is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}"


def revocation_warnings(path: str, lists: Iterable[x509.CertificateRevocationList], now: datetime) -> Iterator[str]:
    """A line for each of the *lists* of revoked certificates in *path* that has ended, or soon will: nobody is believed then."""
    for each in lists:
        ends, issuer = each.next_update_utc, each.issuer.rfc4514_string()
        if ends is None:
            continue
        if ends <= now:
            yield f"{path}: the list of {issuer} ended on {ends:%Y-%m-%d %H:%M}: no certificate of its clients is believed"
        elif ends <= now + soon(ends - each.last_update_utc):
            yield f"{path}: the list of {issuer} ends on {ends:%Y-%m-%d %H:%M}; fetch a new one"


def soon(life: timedelta) -> timedelta:
    """How long before its end a certificate with a *life* so long is warned of; those of a few days are renewed late."""
    return min(SOON, life / 4)
