"""The listening sockets of a process: bound here or inherited, kept over reloads, closed when nobody wants them."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.logger import capturedLogs, formatEvent

from twistedproxy.addresses import Tcp, Unix
from twistedproxy.transport.port import CannotListen
from twistedproxy.transport.sockets import Sockets

ANY = Tcp("127.0.0.1", 0)


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    made = Sockets()
    yield made
    made.close()


def listening(host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket()
    sock.bind((host, 0))
    sock.listen(1)
    return sock


def at(sock: socket.socket) -> Tcp:
    return Tcp(*sock.getsockname()[:2])


def test_an_address_that_is_held_is_not_bound_again(sockets: Sockets) -> None:
    sockets.provide({ANY: 5})
    (first,) = sockets.of(ANY)
    sockets.provide({ANY: 5})
    assert sockets.of(ANY) == [first]


def test_one_that_cannot_be_had_leaves_everything_as_it_was(sockets: Sockets, tmp_path: Path) -> None:
    sockets.provide({ANY: 5})
    with listening() as taken, pytest.raises(CannotListen, match="Address already in use"):
        sockets.provide({ANY: 5, Unix(str(tmp_path / "door")): 5, at(taken): 5})
    assert list(sockets.all()) == [ANY]
    assert not (tmp_path / "door").exists()


def test_what_is_not_wanted_any_more_is_closed_and_its_file_removed(sockets: Sockets, tmp_path: Path) -> None:
    door = Unix(str(tmp_path / "door"))
    sockets.provide({ANY: 5, door: 5})
    (first,) = sockets.of(ANY)
    sockets.keep({door: 5})
    assert first.fileno() == -1
    sockets.keep({})
    assert not (tmp_path / "door").exists()


def test_what_is_wanted_in_any_case_stays(sockets: Sockets) -> None:
    sockets.provide({ANY: 5})
    sockets.always[ANY] = 5
    sockets.keep({})
    assert list(sockets.all()) == [ANY]


def test_a_socket_in_the_file_system_gets_other_permissions_without_being_bound_anew(sockets: Sockets, tmp_path: Path) -> None:
    path = tmp_path / "door"
    sockets.provide({Unix(str(path), 0o600): 5})
    (first,) = sockets.of(Unix(str(path)))
    changed = {Unix(str(path), 0o666): 5}
    sockets.provide(changed)
    sockets.keep(changed)
    assert sockets.of(Unix(str(path))) == [first]
    assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_whoever_hands_over_leaves_the_files_where_they_are(tmp_path: Path) -> None:
    sockets = Sockets()
    sockets.provide({Unix(str(tmp_path / "door")): 5})
    sockets.close(unlink=False)
    assert (tmp_path / "door").exists()


def test_what_was_inherited_by_address_is_taken_as_it_is() -> None:
    sock = listening()
    sockets = Sockets({ANY: [sock]})
    sockets.provide({ANY: 5})
    assert sockets.of(ANY) == [sock]
    assert not sock.getblocking()
    sockets.close()


def test_what_was_inherited_without_a_name_is_found_by_where_it_is(tmp_path: Path) -> None:
    tcp, every, path = listening(), listening("0.0.0.0"), tmp_path / "door"
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(path))
    unix.listen(1)
    sockets = Sockets(nameless=[tcp, every, unix])
    everywhere = Tcp("", at(every).port)
    sockets.provide({at(tcp): 5, everywhere: 5, Unix(str(path)): 5})
    assert [sockets.of(address) for address in (at(tcp), everywhere, Unix(str(path)))] == [[tcp], [every], [unix]]
    sockets.close()
    assert path.exists()  # what systemd has made is systemd's to remove


def test_what_was_inherited_for_nothing_is_closed_and_told() -> None:
    sock = listening()
    sockets = Sockets(nameless=[sock])
    with capturedLogs() as logs:
        sockets.discard_inherited()
    assert sock.fileno() == -1
    assert [formatEvent(event) for event in logs if "is on no address of the site" in formatEvent(event)]


def test_a_file_that_is_gone_already_is_no_trouble(sockets: Sockets, tmp_path: Path) -> None:
    sockets.provide({Unix(str(tmp_path / "door")): 5})
    os.unlink(tmp_path / "door")
    sockets.keep({})
