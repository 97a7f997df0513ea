"""Certificates as the status page and the shell show them, and the verbs for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList

from twistedproxy.admin.changes import Changes
from twistedproxy.admin.interpreter import VerbError
from twistedproxy.admin.roles import Role
from twistedproxy.admin.tables import Column, duration
from twistedproxy.admin.verb import Listing, Said, Verb
from twistedproxy.transport.credentials import Credential
from twistedproxy.transport.self_signed import utc

if TYPE_CHECKING:
    from twistedproxy.admin.live import Live


@dataclass(frozen=True)
class Certificate:
    """
    A certificate that is shown.

    :ivar tls: the name of its [tls …] section
    :ivar staple: how it stands with OCSP; ``-`` where nothing is stapled
    :ivar problem: why its files, or the last try to renew it, cannot be used; empty when they can
    :ivar renewals: times that other certificates were taken by its section
    """

    tls: str
    credential: Credential
    staple: str
    problem: str
    renewals: int


def shown(live: Live) -> Iterator[Certificate]:
    """Every certificate of every section that a listener or a stream uses, the default ones first."""
    parts = live.certificates
    for name, watch in parts.watches.items():
        stapling, renewal = parts.staplings.get(name), parts.renewals.get(name)
        problem = "; ".join(filter(None, (watch.problem, renewal.problem if renewal is not None else "")))
        for credential in watch.servers[0].credentials:
            staple = stapling.state(credential) if stapling is not None else "-"
            yield Certificate(name, credential, staple, problem, watch.renewals)


def snapshot(live: Live) -> list[dict[str, Any]]:
    """The same as values that JSON can say; times are seconds since 1970."""
    return [
        {
            "tls": each.tls,
            "names": list(each.credential.names),
            "key": each.credential.kind,
            "issuer": each.credential.issuer,
            "fingerprint": each.credential.fingerprint,
            "begins": each.credential.leaf.not_valid_before_utc.timestamp(),
            "expires": each.credential.expires.timestamp(),
            "from": each.credential.origin,
            "file": each.credential.source,
            "staple": each.staple if each.staple != "-" else None,
            "problem": each.problem or None,
            "renewals": each.renewals,
        }
        for each in shown(live)
    ]


class CertificateVerbs:
    """The verbs of one operator, whose changes are *changes*."""

    def __init__(self, live: Live, changes: Changes, width: Callable[[], int | None]) -> None:
        self._live = live
        self._changes = changes
        self._width = width

    def verbs(self) -> Sequence[Verb]:
        """All of them."""
        return Verb(self.certificates), Verb(self.reload_certificates, (self._sections,), Role.OPERATE)

    def certificates(self) -> Listing[Certificate]:
        """
        the certificates that clients are shown, how long they live, and what is wrong with their renewal

        The first one of a [tls …] section is what clients see that ask for none of the names.
        """
        columns = (
            Column("TLS"),
            Column("NAMES"),
            Column("KEY"),
            Column("EXPIRES"),
            Column("LEFT", right=True),
            Column("FROM", drop=2),
            Column("ISSUER", drop=4),
            Column("STAPLE", drop=3),
            Column("PROBLEM", drop=1),
        )
        now = utc(self._live.clock.wall())

        def row(each: Certificate) -> list[str]:
            left = (each.credential.expires - now).total_seconds()
            return [
                each.tls,
                " ".join(each.credential.names) or "-",
                each.credential.kind,
                f"{each.credential.expires:%Y-%m-%d}",
                duration(left) if left > 0 else "expired",
                each.credential.origin,
                each.credential.issuer,
                each.staple,
                each.problem or "-",
            ]

        named = ((each.tls, each) for each in shown(self._live))
        return Listing(named, columns, row, self._width, empty="no certificates")

    def reload_certificates(self, tls: str = "") -> Deferred[Said] | Said:
        """
        read the files of certificates again now, of one [tls …] section or of all

        Files are looked at by themselves, too (watch_interval).  What cannot be used changes nothing.
        """
        watches = self._live.certificates.watches
        if tls and tls not in watches:
            known = ", ".join(map(repr, watches)) or "none"
            raise VerbError(f"there is no [tls {tls}] that is used; known: {known}")
        looked = [watch for name, watch in watches.items() if tls in ("", name)]

        def said(_: object) -> Said:
            wrong = [f"[tls {watch.settings.name}]: {watch.problem}" for watch in looked if watch.problem]
            if wrong:
                return Said("; ".join(wrong) + "; what was shown before is shown on")
            return Said(f"{', '.join(f'[tls {watch.settings.name}]' for watch in looked) or 'nothing'}: read again")

        def do() -> Deferred[Said]:
            return DeferredList([watch.look(again=True) for watch in looked]).addCallback(said)

        what = ", ".join(f"[tls {watch.settings.name}]" for watch in looked) or "nothing"
        made: Deferred[Said] | Said = self._changes.make_for_good(
            f"reload_certificates({repr(tls) if tls else ''})", do, f"{what}: read again", "the files are what they are"
        )
        return made

    def _sections(self, before: Sequence[str]) -> Sequence[str]:
        return list(self._live.certificates.watches)
