"""A process that is killed between any two calls of the operating system leaves nothing that is served wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cache.plays import Stage, request, response
from twistedproxy.cache.entry import Entry

CHANGES = ("open", "write", "rename", "unlink", "makedirs", "utime")
OLD, NEW = b"old" * 5, b"new" * 5
OLD_LARGE, NEW_LARGE = b"old" * 200_000, b"new" * 200_000
FIELDS = 'Cache-Control: max-age=60\nETag: "1"'
VARIED = FIELDS + "\nVary: Accept"
FRENCH = request("Accept: fr")


class Killed(BaseException):
    """The process ends here."""


def replace(new: bytes) -> Callable[[Stage], None]:
    def act(stage: Stage) -> None:
        stage.fetch(FIELDS, new, request("Cache-Control: no-cache"))

    return act


def add_variant(stage: Stage) -> None:
    stage.fetch(VARIED, NEW, request("Accept: fr\nCache-Control: no-cache"))


def freshen(stage: Stage) -> None:
    lookup = stage.lookup()
    now = stage.clock.wall()
    assert isinstance(stage.cache.freshen(lookup, request(), response(FIELDS, status=304), now, now), Entry)


def purge(stage: Stage) -> None:
    stage.cache.purge(b"http://example.com/page")


def clear(stage: Stage) -> None:
    stage.cache.clear()


@pytest.mark.parametrize(
    ("before", "act", "bodies"),
    [
        ((FIELDS, OLD), replace(NEW), {OLD, NEW, None}),
        ((FIELDS, OLD_LARGE), replace(NEW_LARGE), {OLD_LARGE, NEW_LARGE, None}),
        ((FIELDS, OLD), replace(NEW_LARGE), {OLD, NEW_LARGE, None}),
        ((FIELDS, OLD_LARGE), replace(NEW), {OLD_LARGE, NEW, None}),
        ((VARIED, OLD), replace(NEW), {OLD, NEW, None}),
        ((FIELDS, OLD), add_variant, {OLD, NEW, None}),
        ((FIELDS, OLD_LARGE), freshen, {OLD_LARGE, None}),
        ((VARIED, OLD_LARGE), freshen, {OLD_LARGE, None}),
        ((FIELDS, OLD_LARGE), purge, {OLD_LARGE, None}),
        ((VARIED, OLD_LARGE), purge, {OLD_LARGE, None}),
        ((FIELDS, OLD), clear, {OLD, None}),
    ],
)
def test_a_kill_at_any_call_leaves_the_old_or_the_new_or_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: tuple[str, bytes],
    act: Callable[[Stage], None],
    bodies: set[bytes | None],
) -> None:
    for calls in range(200):
        directory = tmp_path / str(calls)
        first = Stage(directory)
        first.fetch(*before)
        with monkeypatch.context() as killing:
            finished = killed_after(killing, calls, act, first)
        second = Stage(directory, scan=calls % 2 == 0)
        assert second.served() in bodies
        assert second.served(FRENCH) in bodies
        second.later(10)
        assert not [path for path in second.files() if "aside" in path.parts]
        # And the directory is as good as new.
        second.fetch(FIELDS, b"later", request("Cache-Control: no-cache"))
        second.forget_memory()
        assert second.served() == b"later"
        if finished:
            return
    raise AssertionError("it never came to its end")


def killed_after(patch: pytest.MonkeyPatch, calls: int, act: Callable[[Stage], None], stage: Stage) -> bool:
    """Plays *act* until so many calls were made; says whether it came to its end."""
    left = [calls]

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if left[0] <= 0:
                raise Killed
            left[0] -= 1
            return real(*args, **options)

        return call

    for name in CHANGES:
        patch.setattr(os, name, counted(getattr(os, name)))
    try:
        act(stage)
    except Killed:
        return False
    return True
