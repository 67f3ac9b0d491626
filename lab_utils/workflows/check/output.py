"""A check as people and CI read it: lines, JSON, JUnit's XML, Markdown."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np

from ...core.text import one_line, printable
from .judge import Check, Finding, PinFinding

SHOWN_CALLS = 10
NAMES = {
    "false_boundary_rate": "false boundaries per hold",
    "latency_mean": "mean latency",
    "latency_p95": "p95 latency",
    "missed_rate": "missed ends of turn",
}


def in_words(finding: Finding) -> str:
    """What was found of one figure.

    >>> from lab_utils.turns.metrics.changes import Difference
    >>> from lab_utils.turns.metrics.uncertainty import Interval
    >>> found = Difference(0.18, 0.09, -0.09, Interval(-0.15, -0.03))
    >>> in_words(Finding("false_boundary_rate", False, 0.02, found, "no worse"))
    'false boundaries per hold: 18.0 % → 9.0 %, by -9.0 points (-15.0 to -3.0); allowed +2.0 points'
    """
    found, rate = finding.difference, finding.figure.endswith("rate")

    def value(number: float) -> str:
        return (
            "no case" if np.isnan(number) else f"{100 * number:.1f} %" if rate else f"{1000 * number:.0f} ms"
        )

    def step(number: float) -> str:
        return f"{100 * number:+.1f}" if rate else f"{1000 * number:+.0f}"

    name = NAMES[finding.figure]
    if finding.budget:
        return f"{name}: {value(found.after)}; at most {value(finding.allowed)}"
    unit = "points" if rate else "ms"
    limits = [None if limit is None else step(limit) for limit in (found.interval.low, found.interval.high)]
    interval = "too few calls for an interval" if None in limits else f"{limits[0]} to {limits[1]}"
    by = "no case" if np.isnan(found.difference) else f"by {step(found.difference)} {unit} ({interval})"
    return (
        f"{name}: {value(found.before)} → {value(found.after)}, {by}; allowed {step(finding.allowed)} {unit}"
    )


def pin_in_words(finding: PinFinding) -> str:
    """What became of a pinned failure."""
    pin = finding.pin
    where = f"pinned pause of {one_line(pin.call.name)} at {pin.label.start_s:.2f} s"
    if not finding.found:
        return f"{where}: its call, or the pause's label, is not among these recordings"
    if not finding.cut:
        return f"{where}: not cut off any more"
    return f"{where}: cut off in {finding.cut} of {finding.takes} takes"


def call_in_words(row: dict[str, Any]) -> str:
    """What happens on one call where the profile does worse."""
    where = f"{one_line(str(row['recording']))} at {row['at_s']:.2f} s"
    if row["what"] == "cuts off":
        return (
            f"{where}: cuts the caller off {row['profile_s']:.2f} s into a pause that the baseline lets pass"
        )
    if np.isnan(row["profile_s"]):
        return f"{where}: never answers, the baseline after {row['baseline_s']:.2f} s"
    return f"{where}: answers after {row['profile_s']:.2f} s instead of {row['baseline_s']:.2f} s"


def in_lines(check: Check, profile: str, baseline: str) -> str:
    """The whole for a terminal, a line per figure and per place that is worse."""
    lines = [f"{judgement:>13}  {told}" for judgement, told in _rows(check)]
    if len(check.calls):
        lines += ["", f"{len(check.calls)} places are worse than with {baseline}; the worst:"]
        lines += [f"  {call_in_words(row)}" for row in _worst(check)]
    told = _whole(check).replace("*", "")
    of = f" {baseline}, on {check.change.recordings} recordings" if check.change else " what was pinned"
    lines += ["", f"{profile} is {told}{of}"]
    return "\n".join(printable(line) for line in lines)


def plain(check: Check) -> dict[str, Any]:
    """For JSON; null where there is no case, or no limit of an interval."""
    findings = []
    for one in check.findings:
        found = one.difference
        numbers: dict[str, float | None] = {
            "before": found.before,
            "after": found.after,
            "difference": found.difference,
            "low": found.interval.low,
            "high": found.interval.high,
            "allowed": one.allowed,
        }
        told = {name: None if value is None or np.isnan(value) else value for name, value in numbers.items()}
        findings.append({"figure": one.figure, "budget": one.budget, "judgement": one.judgement, **told})
    calls = check.calls.astype(object).where(check.calls.notna(), None)
    return {
        "judgement": check.judgement,
        "recordings": check.change.recordings if check.change else None,
        "findings": findings,
        "pins": [
            {
                "recording": one.pin.call.name,
                "at_s": one.pin.label.start_s,
                "judgement": one.judgement,
                "takes": one.takes,
                "cut": one.cut,
            }
            for one in check.pins
        ],
        "calls": calls.to_dict("records"),
        "skipped": [one.reason for one in check.skipped],
    }


def markdown(check: Check, profile: str, baseline: str) -> str:
    """A table with the judgement of each figure, and the calls where the profile does worse."""
    with_what, on = "what was pinned", f"{len(check.pins)} pinned failures."
    if check.change is not None:
        with_what = _literal(baseline)
        on = f"On {check.change.recordings} recordings; paired 95 % intervals by recording."
    lines = [
        f"### Turn-taking: {_literal(profile)} is {_whole(check)} {with_what}",
        "",
        on,
        "",
        "| | judgement |",
        "|---|---|",
    ]
    lines += [f"| {_literal(told)} | {judgement} |" for judgement, told in _rows(check)]
    if len(check.calls):
        lines += ["", f"{len(check.calls)} places are worse than before; the worst:", ""]
        lines += [f"- {_literal(call_in_words(row))}" for row in _worst(check)]
    if check.skipped:
        lines += ["", "Left out:", "", *(f"- {_literal(one_line(one.reason))}" for one in check.skipped)]
    return "\n".join(lines) + "\n"


def junit(check: Check, profile: str, baseline: str) -> str:
    """A test case per figure: worse is a failure, what can't be told is an error."""
    cases = [
        (
            f"{NAMES[one.figure]}: {'budget' if one.budget else 'against the baseline'}",
            one.judgement,
            in_words(one),
        )
        for one in check.findings
    ]
    cases += [
        (f"pin: {one.pin.call.name} at {one.pin.label.start_s:.2f} s", one.judgement, pin_in_words(one))
        for one in check.pins
    ]
    suite = ElementTree.Element("testsuite", name="lab check", tests=str(len(cases)))
    counts = {"failure": 0, "error": 0}
    for name, judgement, told in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=printable(profile), name=printable(name))
        kind = {"worse": "failure", "can't be told": "error"}.get(judgement)
        if kind is not None:
            counts[kind] += 1
            found = ElementTree.SubElement(case, kind, message=f"{judgement}: {told}")
            found.text = "\n".join(call_in_words(row) for row in _worst(check))
    suite.set("failures", str(counts["failure"]))
    suite.set("errors", str(counts["error"]))
    properties = ElementTree.Element("properties")
    ElementTree.SubElement(properties, "property", name="baseline", value=printable(baseline))
    suite.insert(0, properties)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _rows(check: Check) -> list[tuple[str, str]]:
    """Judgement and what was found, of figures and pins."""
    figures = [(str(one.judgement), in_words(one)) for one in check.findings]
    return figures + [(str(one.judgement), pin_in_words(one)) for one in check.pins]


def _whole(check: Check) -> str:
    return {
        "no worse": "no worse than",
        "worse": "**worse** than",
        "can't be told": "not told apart from being worse than",
    }[check.judgement]


def _worst(check: Check) -> list[dict[str, Any]]:
    worst = check.calls.head(SHOWN_CALLS)
    return [dict(zip(worst.columns, row, strict=True)) for row in worst.itertuples(index=False)]


def _literal(text: str) -> str:
    """Text that Markdown shows as it is."""
    return "".join("\\" + c if c in "\\`*_[]<>|~#&" else c for c in text)
