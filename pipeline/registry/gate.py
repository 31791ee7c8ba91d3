"""The gate between candidate and champion: gathers what its checks look at, and runs them all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts import read_json
from pipeline.comparison.command import compare_records
from pipeline.comparison.loading import LoadedRun, load_run
from pipeline.comparison.result import Comparison
from pipeline.config.schema import GateConfig
from pipeline.errors import UserError, did_you_mean
from pipeline.registry.checks import Check, Measured, champion_checks, value_check
from pipeline.registry.export_checks import export_checks
from pipeline.reports.words import ABSENT
from pipeline.tasks.registry import primary_metric
from pipeline.tracking.reading import RunReader, RunRecord

REPORT = "export/report.json"
AGAINST = "against the champion"


@dataclass(frozen=True)
class GateReport:
    """What the gate found.

    Attributes:
        checks: Every check, also after one failed.
        verdict: The comparison with the champion in a sentence; None without one.
    """

    checks: tuple[Check, ...]
    verdict: str | None

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.verdict == "failed")


def run_gate(
    reader: RunReader, gate: GateConfig, candidate: RunRecord, champion: RunRecord | str | None
) -> GateReport:
    """Looks at a candidate.

    Args:
        reader: Reads the store.
        gate: The gate.
        candidate: Its run.
        champion: The champion's run; why it cannot be read; or None where there is no champion.

    Raises:
        UserError: If the candidate's task has no metric `gate.metric`.
        EnvironmentProblem: If the store does not answer.
    """
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        checks, verdict = _metric_checks(reader, gate, candidate, champion, scratch)
        path = reader.artifact(candidate.run_id, REPORT, scratch)
        report: dict[str, Any] | None = None if path is None else read_json(path)
    return GateReport((*checks, *export_checks(gate, report)), verdict)


def _metric_checks(
    reader: RunReader,
    gate: GateConfig,
    candidate: RunRecord,
    champion: RunRecord | str | None,
    scratch: Path,
) -> tuple[tuple[Check, ...], str | None]:
    """What is asked of the metric, and the comparison in words."""
    try:
        loaded = load_run(reader, candidate, scratch)
    except UserError as error:
        return (Check("test metric", ABSENT, ABSENT, "failed", _in_words(error)),), None
    measured = _measured(gate, loaded)
    own = value_check(gate, measured)
    if champion is None:
        reason = "there is no champion yet"
        return (own, Check(AGAINST, ABSENT, "no champion yet", "not checked", reason)), None
    try:
        comparison = _compared(reader, gate, candidate, champion, measured.metric)
    except UserError as error:
        return (own, Check(AGAINST, "comparable", ABSENT, "failed", _in_words(error))), None
    verdict = f"{next(_verdicts(comparison))} (A is the champion, B the candidate)"
    return (own, *champion_checks(gate, comparison)), verdict


def _measured(gate: GateConfig, loaded: LoadedRun) -> Measured:
    task = loaded.task
    default = primary_metric(task, loaded.setting("task", "primary_metric"))
    name = gate.metric or default.name
    spec = next((one for one in (*task.metric_specs, default) if one.name == name), None)
    if spec is None:
        raise UserError(
            f"gate.metric={name} is no metric of {loaded.kind}",
            remedy=did_you_mean(name, [one.name for one in task.metric_specs]),
        )
    value = loaded.record.metrics.get(f"test/{name}")
    return Measured(name, spec.higher_is_better, value)


def _compared(
    reader: RunReader,
    gate: GateConfig,
    candidate: RunRecord,
    champion: RunRecord | str,
    metric: str,
) -> Comparison:
    if isinstance(champion, str):
        raise UserError(champion)
    return compare_records(
        reader, (champion,), (candidate,), metric=metric, confidence=gate.confidence
    )


def _verdicts(comparison: Comparison) -> Iterator[str]:
    return (one.verdict for one in comparison.differences if one.metric == comparison.metric)


def _in_words(error: UserError) -> str:
    return error.message if error.remedy is None else f"{error.message}: {error.remedy}"
