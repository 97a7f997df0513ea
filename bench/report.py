"""Samples to figures, figures to tables (Markdown) and to JSON."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from bench.measure import Sample
from bench.run import DIRECT, Outcome
from bench.workloads import Cost

#: A share of the subjects' core that others may use without being mentioned.
_FOREIGN = 0.05


@dataclass(frozen=True)
class Figures:
    """One row: the medians of a subject's rounds, and its ratio to the reference in each round."""

    subject: str
    cost: float | None
    ratios: tuple[float, ...]
    rate: float
    p50: float | None
    p99: float | None
    busy: float


def costs(outcome: Outcome, subject: str) -> dict[int, float]:
    """Cost of one unit in each round, in the unit of the workload's :class:`Cost`."""
    samples = {each.round: each for each in outcome.samples if each.subject == subject}
    direct = {each.round: each for each in outcome.samples if each.subject == DIRECT}
    found: dict[int, float] = {}
    for turn, sample in samples.items():
        load = sample.load
        if outcome.workload.cost is Cost.MEMORY and load.memory is not None:
            found[turn] = load.memory / load.units / 1024
        elif outcome.workload.cost is Cost.CPU:
            found[turn] = sample.cpu / load.units * 1e6
        elif outcome.workload.cost is Cost.ADDED and subject != DIRECT and turn in direct:
            base = direct[turn].load.p50
            if base is not None and load.p50 is not None:
                found[turn] = (load.p50 - base) * 1e6
    return found


def figures(outcome: Outcome, subject: str, reference: str) -> Figures | None:
    """The row of *subject*; None when it has no sample."""
    samples = [each for each in outcome.samples if each.subject == subject]
    if not samples:
        return None
    own, base = costs(outcome, subject), costs(outcome, reference)
    return Figures(
        subject,
        median(own.values()) if own else None,
        tuple(sorted(own[turn] / base[turn] for turn in own if base.get(turn, 0) > 0)),
        median(each.load.units / each.load.seconds for each in samples),
        _median_of([each.load.p50 for each in samples]),
        _median_of([each.load.p99 for each in samples]),
        median(each.busy for each in samples),
    )


def _median_of(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _number(value: float | None) -> str:
    """Three significant digits, no exponent."""
    if value is None:
        return "–"
    size = abs(value)
    return f"{value:.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{_number(seconds * 1e3)} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"


def table(outcome: Outcome, subjects: list[str], reference: str) -> str:
    """The table of one workload in Markdown."""
    workload = outcome.workload
    lines = [
        [
            "subject",
            f"{workload.cost.value} / {workload.unit}",
            f"ratio to {reference}",
            f"{workload.units}/s",
            "p50",
            "p99",
            "core",
        ]
    ]
    for subject in ([DIRECT] if workload.cost is Cost.ADDED else []) + subjects:
        row = figures(outcome, subject, reference)
        if row is None:
            lines.append([subject, outcome.failures.get(subject, "not run").partition(":")[0]] + [""] * 5)
            continue
        ratio = f"{row.ratios[0]:.2f}–**{median(row.ratios):.2f}**–{row.ratios[-1]:.2f}" if row.ratios else "–"
        failed = outcome.failures.get(subject)
        lines.append(
            [
                subject + (" (failed later)" if failed else ""),
                _number(row.cost),
                ratio,
                _number(row.rate),
                _time(row.p50),
                _time(row.p99),
                f"{row.busy:.0%}",
            ]
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    texts = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    texts.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    heading = f"### {workload.title}\n"
    foreign = [each.foreign for each in outcome.samples]
    if foreign and max(foreign) > _FOREIGN:
        texts.append(
            f"\nNote: other processes used the subjects' core too: {median(foreign):.0%} of it, at most {max(foreign):.0%}."
        )
    notes = sorted({*outcome.notes, *(f"{name}: {why}" for name, why in outcome.failures.items() if ":" in why)})
    return "\n".join([heading, *texts, *(f"\nNote: {note}" for note in notes)]) + "\n"


def as_json(outcome: Outcome, subjects: list[str], reference: str) -> dict[str, object]:
    """Figures and raw samples of one workload; seconds, bytes, and the workload's cost unit."""
    rows: dict[str, object] = {}
    for subject in subjects:
        row = figures(outcome, subject, reference)
        rows[subject] = (
            {"unavailable": outcome.failures.get(subject, "not run")}
            if row is None
            else {
                "cost": row.cost,
                "ratios": row.ratios,
                "rate": row.rate,
                "p50": row.p50,
                "p99": row.p99,
                "busy": row.busy,
            }
        )
    return {
        "title": outcome.workload.title,
        "unit": outcome.workload.unit,
        "cost": outcome.workload.cost.value,
        "subjects": rows,
        "failures": outcome.failures,
        "notes": outcome.notes,
        "samples": [_sample(each) for each in outcome.samples],
    }


def _sample(sample: Sample) -> dict[str, object]:
    return {
        "subject": sample.subject,
        "round": sample.round,
        "units": sample.load.units,
        "seconds": sample.load.seconds,
        "cpu": sample.cpu,
        "foreign": sample.foreign,
        "p50": sample.load.p50,
        "p99": sample.load.p99,
        "errors": sample.load.errors,
        "memory": sample.load.memory,
    }
