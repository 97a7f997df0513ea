"""What differs between the pools that run and the site file, written into a file that the site file includes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from twistedproxy.admin.interpreter import VerbError
from twistedproxy.balance.membership import SHELL, SITE, Membership
from twistedproxy.balance.peer import Peer, PeerState, will_by
from twistedproxy.config import network
from twistedproxy.config.load import Loaded, load
from twistedproxy.config.problems import ConfigError
from twistedproxy.config.reader import read, written
from twistedproxy.config.saved_changes import KIND
from twistedproxy.settings.knob import NEVER
from twistedproxy.settings.servers import ServerSettings
from twistedproxy.spelling import counted

if TYPE_CHECKING:
    from twistedproxy.admin.live import Live

#: By this a file is known to be ours.
HEADER: Final = "; Written by save() of the shell, which writes it anew each time: change nothing here."
#: The file, beside the site file, unless the site says another.
NAME: Final = "saved.ini"


@dataclass
class Difference:
    """
    What differs.

    :ivar sections: the text of sections
    :ivar number: of changes in them
    :ivar unsaid: what a file cannot say, for people
    """

    sections: list[str] = field(default_factory=list)
    number: int = 0
    unsaid: list[str] = field(default_factory=list)


def save(live: Live, path: str, who: str, when: str) -> str:
    """
    Write the difference into *path*; returns what there is to say.

    Raises VerbError when that cannot be done, and then nothing was written.
    """
    old = _ours(path)
    try:
        base = load(live.file, os.environ, changes=False)
    except ConfigError as error:
        raise VerbError(f"{live.file} cannot be used as it is, so that nothing is saved: {error}") from None
    added_before = _added(old, path)
    difference = Difference()
    for name, membership in live.memberships.items():
        settings = base.settings.pools.get(name)
        if settings is None:
            difference.unsaid.append(f"pool {name}: the site file has no such pool any more")
        else:
            _compare(membership, settings.servers, added_before.get(name, ()), difference)
    text = "\n".join([HEADER, f"; {when}, by {who}: {counted(difference.number, 'change')}.", "", *difference.sections])
    _write(path, text)
    loaded = _checked(live, path, old)
    changes = counted(difference.number, "change")
    are = "is" if difference.number == 1 else "are"
    lines = [f"{changes} {are} saved in {path}" if difference.number else f"nothing differs: {path} is empty"]
    lines += [f"not saved: {text}" for text in difference.unsaid]
    if os.path.realpath(path) not in {os.path.realpath(file) for file in loaded.files}:
        below = os.path.relpath(path, os.path.dirname(os.path.abspath(live.file)))
        name = path if below.startswith("..") else below
        lines.append(f"nothing reads it yet: write include = {name} into [site] of {live.file}")
    elif difference.number:
        lines.append("reload() makes it the site; nothing changes by that")
    return "\n".join(lines)


def _compare(membership: Membership, base: Sequence[ServerSettings], added: Sequence[str], difference: Difference) -> None:
    """Note what differs between *membership*, as it is, and its lines in the file."""
    pool = membership.pool
    known = {server.name: server for server in base}
    peers = {peer.name: peer for peer in pool.peers}
    remove = [called for called in known if called not in peers and called not in membership.names]
    change, add = [], []
    for peer in pool.peers:
        if peer.origin not in (SITE, SHELL):
            if peer.weight != peer.settings.weight or peer.will is not PeerState.UP:
                difference.unsaid.append(f"{peer.name}, which was found by {peer.origin}, has no line of its own")
            continue
        if peer.will_ends < NEVER:
            difference.unsaid.append(f"the drain of {peer.name}, which ends by itself")
        line = known.get(peer.name)
        if line is not None:
            words = _words(peer, line)
            change += [f"{peer.name} {' '.join(words)}"] if words else []
        elif peer.origin == SHELL or peer.name in added:
            will = _will(peer)
            down, drain = will is PeerState.MAINTENANCE, will is PeerState.DRAINING
            add.append(network.write_server(replace(peer.settings, weight=peer.weight, down=down, drain=drain)))
    for called, name in membership.names.items():
        if called not in known and (name.origin == SHELL or called in added):
            add.append(network.write_server(name.line))
    parts = [(key, items) for key, items in (("remove", remove), ("change", change), ("add", add)) if items]
    if parts:
        lines = [f"{key} =\n" + "\n".join(f"    {written(item)}" for item in items) for key, items in parts]
        difference.sections.append("\n".join([f"[{KIND} {written(pool.name)}]", *lines, ""]))
        difference.number += sum(len(items) for _, items in parts)


def _words(peer: Peer, line: ServerSettings) -> list[str]:
    """What is to be said of a peer beside its *line*."""
    words = [f"weight={peer.weight}"] if peer.weight != line.weight else []
    will = _will(peer)
    if will is not will_by(line):
        words.append(_WORDS[will])
    return words


def _will(peer: Peer) -> PeerState:
    """What the operator wants for good."""
    return peer.will if peer.will_ends == NEVER else PeerState.UP


_WORDS: Final = {PeerState.MAINTENANCE: "down", PeerState.DRAINING: "drain", PeerState.UP: "up"}


def _ours(path: str) -> str | None:
    """What stands in the file; None when there is none.  Raises VerbError when somebody else has written it."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise VerbError(f"{path} cannot be read: {error}") from None
    if not text.startswith(HEADER):
        raise VerbError(f"{path} was not written by save(), and is left as it is; move it away, or say save_to in [shell]")
    return text


def _added(text: str | None, path: str) -> dict[str, list[str]]:
    """The names of servers that the file has added until now, by pool."""
    added: dict[str, list[str]] = {}
    for section in read(text or "", path, {}, []):
        entry = section.entries.get("add")
        added[section.name] = [item.text.split()[0].removeprefix("https://") for item in entry.items] if entry is not None else []
    return added


def _write(path: str, text: str) -> None:
    aside = f"{path}.new"
    try:
        with open(aside, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        raise VerbError(f"{path} cannot be written: {error.strerror}; save_to of [shell] says where it is") from None


def _checked(live: Live, path: str, old: str | None) -> Loaded:
    """The site with the file; when it cannot be used, all is as before."""
    try:
        return load(live.file, os.environ)
    except ConfigError as error:
        if old is None:
            os.unlink(path)
        else:
            _write(path, old)
        raise VerbError(f"nothing is saved, since the site could not be used with it: {error}") from None
