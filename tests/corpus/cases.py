"""All tables of the corpus."""

from __future__ import annotations

from typing import Final

from tests.corpus import (
    chunked,
    expectations,
    fields,
    framing,
    hop_by_hop,
    host_and_target,
    hostile_origins,
    interim,
    pipelining,
    request_lines,
    response_framing,
    slow,
    truncated,
    upgrades,
)
from tests.corpus.case import Case

CASES: Final[tuple[Case, ...]] = (
    *request_lines.CASES,
    *fields.CASES,
    *host_and_target.CASES,
    *framing.CASES,
    *chunked.CASES,
    *pipelining.CASES,
    *hop_by_hop.CASES,
    *expectations.CASES,
    *upgrades.CASES,
    *truncated.CASES,
    *hostile_origins.CASES,
    *response_framing.CASES,
    *interim.CASES,
    *slow.CASES,
)


def sends_only(case: Case) -> bool:
    """Whether the client of the case does nothing but send, and little enough to be sent in pieces too."""
    return len(case.client) == 1 and isinstance(case.client[0], bytes) and len(case.client[0]) < 4096
