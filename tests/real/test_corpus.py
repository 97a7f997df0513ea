"""
The corpus of raw cases (tests/corpus), played against ``twistd revproxy``: all of them at once, and each judged by itself.

Every case runs once with its bytes in one piece.  Those whose client only sends run a second time with their bytes in several
pieces: what comes of a message does not depend on how the network cuts it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.corpus.case import Case, Outcome
from tests.corpus.cases import CASES, sends_only
from tests.corpus.judge import problems, story
from tests.corpus.site import SITE
from tests.corpus.stage import Stage
from tests.real.proxy import Proxy

RUNS = [(case, in_pieces) for case in CASES for in_pieces in (False, True) if not in_pieces or sends_only(case)]

Outcomes = dict[tuple[str, bool], Outcome]


@pytest.fixture(scope="module")
def proxy_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, proxy_directory: Path) -> Iterator[Outcomes]:
    """What came of the cases that are asked for."""
    asked = {item.callspec.id for item in request.session.items if hasattr(item, "callspec")}
    stage = Stage()
    proxy = Proxy(proxy_directory, SITE.format(origin=stage.port))
    try:
        proxy.await_ready()
        outcomes = stage.play([run for run in RUNS if run_name(run) in asked], proxy.ports)
        assert not stage.strays, f"requests at the origin that nobody sent: {stage.strays}"
        assert not proxy.said("Traceback"), proxy.story()
        yield outcomes
    finally:
        proxy.end()


def run_name(run: tuple[Case, bool]) -> str:
    """What a run is called."""
    case, in_pieces = run
    return f"{case.name}, in pieces" if in_pieces else case.name


@pytest.mark.parametrize("run", RUNS, ids=map(run_name, RUNS))
def test_what_must_come_of_it_comes_of_it(run: tuple[Case, bool], outcomes: Outcomes) -> None:
    case, in_pieces = run
    outcome = outcomes[case.name, in_pieces]
    assert not problems(case, outcome), story(case, outcome)
