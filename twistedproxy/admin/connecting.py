"""``revproxy shell site.ini``: from a site file to the shell of the process that runs it, by the ssh program."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Final

from twisted.conch.ssh.keys import BadKeyError, Key

from twistedproxy.addresses import Address, Tcp, Unix
from twistedproxy.admin.keys import HOST_KEY, read_authorized_keys
from twistedproxy.settings.operators import ShellSettings
from twistedproxy.settings.site_ini import Settings

#: How the proxy is called in the file by which ssh knows it.
_NAME: Final = "revproxy"
_EVERYWHERE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


class CannotConnect(Exception):
    """The shell cannot be reached from here; the text says what is missing."""


def ssh_command(shell: ShellSettings, site: str, known_hosts: str, identity: str = "") -> list[str]:
    """
    The command line of ssh that reaches *shell*, without a command for it.

    :param site: the site file, for people
    :param known_hosts: a file that holds the proxy's key, by which it is known
    :param identity: a file with the operator's key; empty: ssh finds it
    :raises CannotConnect: ssh cannot reach it
    """
    options = [f"UserKnownHostsFile={known_hosts}", "GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes"]
    options += [f"HostKeyAlias={_NAME}", "LogLevel=ERROR"]
    where, host = _where(shell.on, site)
    if identity:
        options.append("IdentitiesOnly=yes")
    command = ["ssh", *(word for option in options for word in ("-o", option)), *where]
    if identity:
        command += ["-i", identity]
    return [*command, "-l", _NAME, "--", host]


def _where(on: Sequence[Address], site: str) -> tuple[list[str], str]:
    """What leads to the shell: words for ssh, and the host that it is told."""
    for address in on:
        if isinstance(address, Tcp):
            return ["-p", str(address.port)], _EVERYWHERE.get(address.host, address.host)
    for address in on:
        if isinstance(address, Unix):
            socat = shutil.which("socat")
            if socat is None:
                raise CannotConnect(f"the shell of {site} is at {address}, which ssh reaches by socat only: install it")
            return ["-o", f"ProxyCommand={socat} - UNIX-CONNECT:{address.path}"], _NAME
    raise CannotConnect(f"the shell of {site} is at {', '.join(map(str, on))} only; ssh needs tcp:HOST:PORT or unix:PATH")


def connect(settings: Settings, site: str, command: str | None, identity: str = "") -> int:
    """
    Run ssh until the operator leaves, or the *command* has ended; returns its exit status.

    :raises CannotConnect: something is missing, and it is said what
    """
    if shutil.which("ssh") is None:
        raise CannotConnect("there is no ssh program here: install OpenSSH's client")
    if settings.shell is None:
        raise CannotConnect(f"{site} has no shell; write [shell] with on = tcp:127.0.0.1:6022 and authorized_keys = FILE")
    host_key = _host_key(settings, site)
    _check_keys(settings.shell.authorized_keys)
    with tempfile.NamedTemporaryFile("w", prefix="revproxy-known-hosts-") as known_hosts:
        known_hosts.write(f"{_NAME} {host_key}\n")
        known_hosts.flush()
        words = ssh_command(settings.shell, site, known_hosts.name, identity)
        done = subprocess.run([*words, *([command] if command is not None else [])], check=False)
    if done.returncode == 255:
        raise CannotConnect(
            f"ssh could not log in: does the site run, and does {settings.shell.authorized_keys} hold your key? "
            "The proxy's error log says why it refuses somebody"
        )
    return done.returncode


def _host_key(settings: Settings, site: str) -> str:
    """The proxy's own key, by which ssh shall know it."""
    path = os.path.join(settings.site.state_dir, HOST_KEY)
    for name, public in ((f"{path}.pub", True), (path, False)):
        try:
            with open(name, "rb") as file:
                key = Key.fromString(file.read())
            return str((key if public else key.public()).toString("openssh").decode("ascii"))
        except FileNotFoundError:
            continue
        except PermissionError:
            raise CannotConnect(f"{name} cannot be read: run this as the user of the proxy, or let it be read") from None
        except (OSError, ValueError, BadKeyError) as error:
            raise CannotConnect(f"{name} cannot be used: {type(error).__name__}") from None
    raise CannotConnect(f"there is no {path}: the proxy makes its key when it starts; has {site} been started yet?")


def _check_keys(path: str) -> None:
    try:
        keys = read_authorized_keys(path)
    except PermissionError:
        return  # the proxy may read it, and we need not
    except OSError as error:
        raise CannotConnect(f"nobody may log in: {path}: {error.strerror}") from None
    if not keys:
        raise CannotConnect(f"nobody may log in: {path} holds no key; add yours, as in ~/.ssh/id_ed25519.pub")
