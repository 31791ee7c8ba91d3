"""Studies of several shapes, as a report reads them."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.sweep.definition.settings import Direction
from pipeline.sweep.study.records import (
    Outcome,
    StudyRecord,
    TrialRecord,
    decode,
    encode,
)
from tests.stored_studies import settings, study_facts

LR = {"type": "float", "low": 1e-6, "high": 1e-2, "log": True}
WARMUP = {"type": "float", "low": 0.0, "high": 0.5}
CLEANING = [[], [{"step": "unicode", "form": "NFKC"}], [{"step": "lowercase"}]]
SPACE: dict[str, Any] = {
    "optimizer.lr": LR,
    "scheduler.warmup_ratio": WARMUP,
    "method": {"type": "choice", "choices": ["full", "frozen_prefix"]},
    "method.num_layers": {"type": "int", "low": 1, "high": 5, "when": {"method": "frozen_prefix"}},
    "data.cleaning": {"type": "choice", "choices": CLEANING},
}
ACCURACY: tuple[tuple[str, Direction], ...] = (("accuracy", "maximize"),)
TWO: tuple[tuple[str, Direction], ...] = (*ACCURACY, ("latency_ms", "minimize"))
THREE: tuple[tuple[str, Direction], ...] = (*TWO, ("size_mb", "minimize"))


def record(
    trials: Sequence[TrialRecord],
    objectives: tuple[tuple[str, Direction], ...] = ACCURACY,
    space: Mapping[str, Any] = SPACE,
    **changes: Any,
) -> StudyRecord:
    facts = study_facts(settings=settings("lr", space=space, **changes), objectives=objectives)
    return StudyRecord("lr", facts, tuple(trials))


def sampled(count: int, space: Mapping[str, Any] = SPACE) -> list[dict[str, Any]]:
    """Points of a space; parameters with an unmet condition are missing."""
    generator = random.Random(0)
    points = []
    for _ in range(count):
        point: dict[str, Any] = {}
        for name, known in settings("lr", space=space).space.items():
            if not known.exists(point):
                continue
            low, high = known.extremes()[0], known.extremes()[-1]
            if known.type == "choice":
                point[name] = decode(encode(generator.choice(known.values())))
            elif known.type == "int":
                point[name] = generator.randint(low, high)
            elif known.log:
                point[name] = math.exp(generator.uniform(math.log(low), math.log(high)))
            else:
                point[name] = generator.uniform(low, high)
        points.append(point)
    return points


def trial(
    number: int, params: dict[str, Any], *values: float, outcome: Outcome = "complete", **more: Any
) -> TrialRecord:
    return TrialRecord(number, outcome, values, params, seconds=12.0, **more)


def accuracy(params: Mapping[str, Any]) -> float:
    return 0.9 - 0.05 * abs(math.log10(params["optimizer.lr"]) + 3.5)


def mixed(
    count: int, num_objectives: int = 1, space: Mapping[str, Any] = SPACE
) -> list[TrialRecord]:
    """Trials of all outcomes, with learning curves where there is one objective."""
    trials = []
    for number, params in enumerate(sampled(count, space)):
        value = accuracy(params)
        curve = {step: value * (1 - 0.5**step) for step in range(1, 5)}
        values = (value, 10 + number % 7, 90 + number % 5)[:num_objectives]
        outcomes: dict[int, Outcome] = {3: "pruned", 5: "failed", 6: "infeasible", 8: "running"}
        outcome = outcomes.get(number % 10, "complete")
        if outcome == "pruned" and num_objectives > 1:
            outcome = "complete"
        ended = outcome in {"complete", "infeasible"}
        trials.append(
            trial(
                number,
                params,
                *(values if ended else ()),
                outcome=outcome,
                reported=curve if num_objectives == 1 and outcome != "failed" else {},
                violations={"latency_ms": 2.5} if outcome == "infeasible" else {},
                reason="loss became NaN" if outcome == "failed" else "",
            )
        )
    return trials


def only(outcome: Outcome, **more: Any) -> list[TrialRecord]:
    return [trial(n, p, outcome=outcome, **more) for n, p in enumerate(sampled(6))]
