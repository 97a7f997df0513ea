"""Whether what came of a case is what must come of it."""

from __future__ import annotations

import re
from typing import Final

from tests.corpus.case import Answer, Case, Outcome, Status
from tests.corpus.parse import Broken, answers_in

_WIRE_NAME: Final = re.compile(rb"q[0-9A-F]{3}")


def problems(case: Case, outcome: Outcome) -> list[str]:
    """What is wrong, in words; empty when nothing is."""
    try:
        answers = answers_in(outcome.stream, ended=outcome.ended, to_head=case.to_head)
    except Broken as broken:
        return [f"the client got what is no answer: {broken}"]
    final = [answer for answer in answers if answer.status >= 200 or answer.status == 101]
    return [
        *_answers(case, outcome, final),
        *_connections(case, outcome),
        *_requests(case, outcome),
    ]


def _fits(status: int, wanted: Status) -> bool:
    return status == wanted if isinstance(wanted, int) else status in wanted


def _answers(case: Case, outcome: Outcome, final: list[Answer]) -> list[str]:
    found = []
    statuses = [answer.status for answer in final]
    if len(statuses) != len(case.statuses) or not all(map(_fits, statuses, case.statuses)):
        found.append(f"answers {statuses}, not {_shown(case.statuses)}")
    if final and final[-1].whole == case.cut:
        found.append("the last answer is complete" if case.cut else "the last answer is incomplete")
    stream = outcome.stream
    found += [f"the client did not get {text!r}" for text in _named(case.got, outcome) if text not in stream]
    found += [f"the client got {text!r}" for text in _named(case.ungot, outcome) if text in stream]
    strangers = {name for name in _WIRE_NAME.findall(stream) if name != outcome.wire_name}
    if strangers:
        found.append(f"the client got an answer to {strangers}: the connection to the origin was out of step")
    return found


def _shown(statuses: tuple[Status, ...]) -> list[object]:
    return [status if isinstance(status, int) else sorted(status) for status in statuses]


def _connections(case: Case, outcome: Outcome) -> list[str]:
    found = []
    if outcome.late:
        found.append(f"nothing happened while the client waited: {outcome.late}")
    if case.kept is True:
        if outcome.ended or not outcome.probed:
            found.append("the client's connection was closed")
        elif outcome.probe is None or outcome.probe.status != 200 or outcome.wire_name not in outcome.probe.body:
            found.append(f"a further request got {outcome.probe}")
    elif case.kept is False and not outcome.ended:
        found.append("the client's connection stayed open")
    if outcome.heard and case.peer_kept is not None:
        kept = outcome.heard[0].call not in outcome.closed_calls
        if kept != case.peer_kept:
            found.append("the origin's connection stayed open" if kept else "the origin's connection was closed")
    return found


def _requests(case: Case, outcome: Outcome) -> list[str]:
    heard = outcome.heard
    found = [f"the origin got what is no plain request: {each.broken}" for each in heard if each.broken]
    if case.may_begin and heard and not heard[-1].complete:
        heard = heard[:-1]
    if not _fits(len(heard), case.requests):
        found.append(f"{len(heard)} requests at the origin, not {_shown((case.requests,))}")
    if not heard:
        return found
    first = heard[0]
    found += [f"the origin did not get {text!r}" for text in _named(case.heard, outcome) if text not in first.head]
    for text in _named(case.unheard, outcome):
        if any(text.lower() in each.head.lower() for each in heard):
            found.append(f"the origin got {text!r}")
    if case.body is not None and first.body != _named((case.body,), outcome)[0]:
        found.append(f"the origin got the body {first.body[:200]!r}")
    if first.complete == case.request_cut:
        found.append("the origin got a complete request" if case.request_cut else "the origin got an incomplete request")
    return found


def _named(texts: tuple[bytes, ...], outcome: Outcome) -> list[bytes]:
    return [text.replace(b"<id>", outcome.wire_name) for text in texts]


def story(case: Case, outcome: Outcome) -> str:
    """What happened, for the message of a failure."""
    lines = [f"{case.name}  [{case.covers}]"]
    if case.why:
        lines.append(f"  because: {case.why}")
    lines += [f"  - {problem}" for problem in problems(case, outcome)]
    lines.append(f"  the client sent    {_short(outcome.sent)}")
    lines.append(f"  the client got     {_short(outcome.stream)} {outcome.ended}")
    lines += [f"  the origin got     {_short(each.raw)} on connection {each.call}" for each in outcome.heard]
    return "\n".join(lines)


def _short(data: bytes) -> str:
    return repr(data) if len(data) < 900 else f"{data[:400]!r} … {data[-400:]!r}"
