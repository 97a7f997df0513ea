"""What is shipped, as far as it can be seen without a process."""

from __future__ import annotations

import ast
import configparser
from importlib import import_module
from pathlib import Path
from typing import Final

from twistedproxy.version import VERSION

ROOT: Final = Path(__file__).resolve().parents[1]


def setup_cfg() -> configparser.ConfigParser:
    """The package's declarations."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


def test_the_folder_of_plugins_is_a_part_of_twisteds_own() -> None:
    assert sorted(path.name for path in (ROOT / "twisted").rglob("*.py")) == ["revproxy.py"]


def test_the_plugin_loads_nothing_of_ours_when_twistd_lists_it() -> None:
    tree = ast.parse((ROOT / "twisted/plugins/revproxy.py").read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["from twisted.application.service import ServiceMaker"]


def test_the_console_script_leads_to_a_function() -> None:
    script = setup_cfg()["options.entry_points"]["console_scripts"].strip()
    name, _, target = script.partition(" = ")
    module, _, function = target.partition(":")
    assert name == "revproxy"
    assert callable(getattr(import_module(module), function))


def test_the_version_stands_in_one_place() -> None:
    assert setup_cfg()["metadata"]["version"] == "attr: twistedproxy.version.VERSION"
    places = [path for path in ROOT.glob("*.*") if path.suffix in (".cfg", ".toml") and f'"{VERSION}"' in path.read_text("utf-8")]
    assert places == []
