"""The socket by which commands reach the process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from twistedproxy.running.control import Control, NobodyRuns, ask
from twistedproxy.transport.sockets import Sockets


def test_the_proxy_starts_also_where_its_state_dir_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    live: Any = None
    sockets = Sockets()
    control = Control(str(tmp_path / "file" / "control.sock"), live, sockets, Clock())
    control.startService()
    assert sockets.always == {} and sockets.all() == {}
    control.stopService()


def test_who_asks_where_nobody_listens_is_told_where(tmp_path: Path) -> None:
    path = str(tmp_path / "control.sock")
    with pytest.raises(NobodyRuns, match=path):
        ask(path, "reload")
