"""What site.ini says of apps in the proxy's process."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedproxy.config.effective import effective
from twistedproxy.config.load import load_text
from twistedproxy.config.problems import ConfigError

LISTEN = "[listen http]\non = tcp:80\n"


def errors(text: str, directory: Path = Path("/play")) -> list[str]:
    """What is wrong with a site."""
    with pytest.raises(ConfigError) as caught:
        load_text(LISTEN + text, str(directory / "site.ini"), {})
    return [str(error) for error in caught.value.errors]


def warnings(text: str) -> list[str]:
    """What is of no effect in a site."""
    return [str(each) for each in load_text(LISTEN + text, "/play/site.ini", {}).warnings]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere.to.be:found", "nowhere.to.be cannot be imported: ModuleNotFoundError"),
        ("tests.apps.coroutines:absent", "tests.apps.coroutines has no absent"),
        ("tests.apps.coroutines", "is not the name of an app"),
        ("tests.apps.coroutines:number()", "tests.apps.coroutines:number cannot be called"),
    ],
)
def test_an_app_must_be_there(target: str, reason: str) -> None:
    (error,) = errors(f"[route /]\npython = {target}\n")
    assert reason in error
    assert "python" in error


def test_modules_are_looked_for_in_app_dir_first(tmp_path: Path) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "an_app_of_a_test.py").write_text("async def answer(request): ...\n")
    text = "[route /]\npython = an_app_of_a_test:answer\n"
    (error,) = errors(text, tmp_path)
    assert "write app_dir = DIRECTORY" in error
    settings = load_text(f"{LISTEN}{text}app_dir = apps\n", str(tmp_path / "site.ini"), {}).settings
    hosted = settings.routes[0].hosted
    assert hosted is not None
    assert (hosted.name, hosted.directory) == ("python:an_app_of_a_test:answer", str(tmp_path / "apps"))
    again = load_text(effective(settings), "/elsewhere/site.ini", {}).settings
    assert again.routes[0].hosted == hosted
    # A module has one name in a process.
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "an_app_of_a_test.py").write_text("async def answer(request): ...\n")
    (error,) = errors(f"{text}app_dir = others\n", tmp_path)
    assert "give one of the two modules another name" in error


def test_a_module_that_is_a_program_ends_nothing_but_its_import(tmp_path: Path) -> None:
    (tmp_path / "a_program_of_a_test.py").write_text("import sys\nsys.exit('usage: program FILE')\n")
    (error,) = errors("[route /]\nwsgi = a_program_of_a_test:app\napp_dir = .\n", tmp_path)
    assert "a_program_of_a_test cannot be imported: SystemExit: usage: program FILE" in error


def test_app_dir_must_be_a_directory() -> None:
    (error,) = errors("[route /]\npython = tests.apps.coroutines:hello\napp_dir = nowhere\n")
    assert "there is no directory /play/nowhere" in error


def test_a_route_has_one_answer() -> None:
    (error,) = errors("[route /]\npython = tests.apps.coroutines:hello\nrespond = 200 hello\n")
    assert "the route has a respond, too" in error
    (error,) = errors("[route /]\npython = tests.apps.coroutines:hello\nhedge = 1s\n")
    assert "there is one app, and no second peer" in error


def test_what_has_no_effect_is_told_of() -> None:
    python = "[route /]\npython = tests.apps.coroutines:hello\n"
    assert warnings(python + "read_timeout = 5s\nstrip_prefix = /a\n") == []
    for key, value in (("app_threads", "3"), ("app_queue", "3"), ("tries", "2"), ("connect_timeout", "1s")):
        (warning,) = warnings(f"{python}{key} = {value}\n")
        assert f"{key}: has no effect" in warning
    (warning,) = warnings("[route /]\nrespond = 200\napp_dir = /\n")
    assert "app_dir: has no effect without python, wsgi, asgi or resource" in warning
