"""The objects that ``package.module:attribute`` names."""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import Any, Final

from twistedproxy.settings.answers import HostedApp

#: With ``()`` behind it, what is named is called, and what it returns is meant.
TARGET: Final = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\(\))?", re.ASCII)


class CannotLoad(ValueError):
    """
    An app cannot be had; the text says why.

    :ivar remedy: what can be done
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


def named(app: HostedApp) -> Any:
    """
    What the target of *app* names, imported; it is not called.

    :raises CannotLoad: the module or the attribute is not there, or fails
    """
    found = TARGET.fullmatch(app.target)
    if found is None:
        raise CannotLoad(f"{app.target!r} is not the name of an app", "write package.module:app")
    module, attribute, call = found.groups()
    if app.directory and app.directory not in sys.path:
        # For good: an app may import more of its modules at any time.
        sys.path.insert(0, app.directory)
    try:
        thing: Any = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever a module raises on import is a mistake of the site
        where = "write app_dir = DIRECTORY if it is in none of Python's" if not app.directory else "correct the name or app_dir"
        raise CannotLoad(f"{module} cannot be imported: {type(error).__name__}: {error}", where) from error
    _check_place(module, thing, app.directory)
    for name in attribute.split("."):
        try:
            thing = getattr(thing, name)
        except AttributeError:
            raise CannotLoad(f"{module} has no {attribute}", "correct the name") from None
    if call and not callable(thing):
        raise CannotLoad(f"{module}:{attribute} cannot be called", "leave out the ()")
    return thing


def loaded(app: HostedApp) -> Any:
    """
    The object that is the app; made anew where the target says ``()``.

    :raises CannotLoad: as :func:`named`, and when what is called fails
    """
    thing = named(app)
    return made_by(thing, app) if app.target.endswith("()") else thing


def made_by(thing: Any, app: HostedApp) -> Any:
    """
    What *thing*, which the target of *app* names, returns when it is called.

    :raises CannotLoad: it fails
    """
    try:
        return thing()
    except (Exception, SystemExit) as error:
        raise CannotLoad(f"{app.target} has failed: {type(error).__name__}: {error}", "correct what it calls") from error


def _check_place(name: str, module: Any, directory: str) -> None:
    """In one process a module's name is one module, whatever directories two apps name."""
    if not directory:
        return
    places = [*getattr(module, "__path__", ()), *([module.__file__] if getattr(module, "__file__", None) else [])]
    root = os.path.realpath(directory) + os.sep
    if places and not any(os.path.realpath(place).startswith(root) for place in places):
        raise CannotLoad(
            f"{name} is {places[0]} in this process, and not below app_dir {directory}",
            "give one of the two modules another name",
        )
