"""Failures among random cases, and the simplest case of each cause."""

import collections
import dataclasses
import re

from tests.layers.parity.cases import TRACED_ONCE, Case
from tests.layers.parity.comparison import FAILURES, Verdict
from tests.layers.parity.random_cases import random_cases
from tests.layers.parity.runners import trace_key
from tests.layers.parity.workers import Workers


def failing_examples(
    count: int, seed: int, *, report=None, stop_after: int | None = None, plain=()
) -> list[tuple[Case, Verdict]]:
    """The failures among so many random cases; `report(number, case, verdict)` hears of each case.

    `plain` names fields that have their defaults, `mask`, or have them instead of one value, `dtype=bool`.
    """
    failures, raised = [], collections.Counter()
    defaults = {field.name: field.default for field in dataclasses.fields(Case)}
    with Workers() as workers:
        for number, case in zip(range(count), random_cases(seed), strict=False):
            held = {
                name: defaults[name]
                for name, _, value in (entry.partition("=") for entry in plain)
                if value in ("", str(getattr(case, name)))
            }
            case = dataclasses.replace(case, **held)
            if raised[trace_key(case)] > 1:
                continue  # what cannot be traced cannot be for any shape
            result = workers.verdict(case)
            if case.runner in TRACED_ONCE and "raise" in result.status:
                raised[trace_key(case)] += 1
            if report:
                report(number, case, result)
            if result.status in FAILURES:
                failures.append((case, result))
                if stop_after and len(failures) >= stop_after:
                    break
    return failures


def cause(result: Verdict) -> str:
    """What failures of one cause have in common: their message without its numbers."""
    if result.status == "different":
        kinds = dict.fromkeys(
            re.sub(r" \d+| of call| by \S+| expected .*", "", one) for one in result.details.split("; ")
        )
        return f"different: {'; '.join(list(kinds)[:2])}"
    return f"{result.status}: {re.sub(r'[0-9]+', '#', result.details.split(' | ')[0])[:200]}"


def shrink(case: Case, result: Verdict, workers: Workers) -> tuple[Case, Verdict]:
    """The case with every field at its default that need not be another for the case to fail in the same way."""
    fields = {field.name: field.default for field in dataclasses.fields(case)}
    simpler = True
    while simpler:
        simpler = False
        for name, default in fields.items():
            if getattr(case, name) == default:
                continue
            candidate = dataclasses.replace(case, **{name: default})
            verdict_now = workers.verdict(candidate)
            if verdict_now.status == result.status and (
                result.status == "different" or cause(verdict_now) == cause(result)
            ):
                case, result, simpler = candidate, verdict_now, True
    return case, result
