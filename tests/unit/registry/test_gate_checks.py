from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.comparison.result import Comparison, Difference, Estimate
from pipeline.config.schema import GateConfig
from pipeline.registry.checks import Check, Measured, champion_checks, value_check
from pipeline.registry.export_checks import export_checks
from tests.registered_runs import REPORT

NO_LIMITS = GateConfig(min_prediction_agreement=None)


def comparison(
    value: float,
    p_value: float | None,
    *,
    low: float | None = None,
    high: float | None = None,
    higher_is_better: bool = True,
) -> Comparison:
    difference = Difference(
        metric="f1_macro",
        reference="A",
        other="B",
        estimate=Estimate(value, low, high),
        gain=value if higher_is_better else -value,
        p_value=p_value,
        p_adjusted=p_value,
        method="approximate randomisation test",
        significant=False,
        examples_needed=None,
        seeds_needed=None,
        verdict="it is undefined",
    )
    return Comparison(
        experiment="e",
        dataset="d",
        num_rows=100,
        metric="f1_macro",
        higher_is_better=higher_is_better,
        confidence=0.95,
        num_samples=2_000,
        metrics=("f1_macro",),
        groups=(),
        differences=(difference,),
        pairs=(),
        settings=(),
        costs=(),
        curves=(),
        disagreements=(),
        slices=(),
        notes=(),
    )


def verdicts(checks: object) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}  # type: ignore[attr-defined]


def against(gate: GateConfig, found: Comparison) -> list[Check]:
    return list(champion_checks(gate, found))


@pytest.mark.parametrize(
    ("value", "p_value", "higher_is_better", "verdict"),
    [
        (-0.1, 0.01, True, "failed"),
        (-0.1, 0.06, True, "passed"),
        (0.1, 0.01, True, "passed"),
        (0.0, 1.0, True, "passed"),
        (0.1, 0.01, False, "failed"),
        (-0.1, 0.01, False, "passed"),
        (-0.1, None, True, "failed"),
    ],
)
def test_only_what_is_significantly_worse_is_refused(
    value: float, p_value: float | None, higher_is_better: bool, verdict: str
) -> None:
    found = comparison(value, p_value, higher_is_better=higher_is_better)
    assert against(NO_LIMITS, found)[0].verdict == verdict


def test_the_gate_s_confidence_is_the_level_of_the_test() -> None:
    strict = GateConfig(confidence=0.9)
    assert against(strict, comparison(-0.1, 0.06))[0].verdict == "failed"


@pytest.mark.parametrize(("drop", "verdict"), [(0.05, "failed"), (0.1, "passed"), (None, "")])
def test_a_drop_is_refused_even_where_chance_may_explain_it(
    drop: float | None, verdict: str
) -> None:
    found = verdicts(against(GateConfig(max_drop=drop), comparison(-0.1, 0.5)))
    assert found["drop"] == (verdict or "not checked")


@pytest.mark.parametrize(
    ("low", "high", "higher_is_better", "verdict"),
    [
        (-0.01, 0.2, True, "passed"),
        (-0.03, 0.2, True, "failed"),
        (-0.2, 0.01, False, "passed"),
        (-0.2, 0.03, False, "failed"),
        (None, None, True, "failed"),
    ],
)
def test_a_margin_asks_for_evidence(
    low: float | None, high: float | None, higher_is_better: bool, verdict: str
) -> None:
    found = comparison(0.0, 1.0, low=low, high=high, higher_is_better=higher_is_better)
    checks = verdicts(against(GateConfig(margin=0.02), found))
    assert checks["drop that is not excluded"] == verdict


@pytest.mark.parametrize(
    ("value", "limit", "higher_is_better", "verdict"),
    [
        (0.8, 0.8, True, "passed"),
        (0.8, 0.81, True, "failed"),
        (0.8, 0.81, False, "passed"),
        (0.8, 0.79, False, "failed"),
        (0.8, None, True, "not checked"),
        (None, None, True, "failed"),
    ],
)
def test_the_metric_has_to_reach_a_value(
    value: float | None, limit: float | None, higher_is_better: bool, verdict: str
) -> None:
    measured = Measured("f1_macro", higher_is_better, value)
    assert value_check(GateConfig(worst_value=limit), measured).verdict == verdict


def report(**changes: Any) -> Mapping[str, Any]:
    made = deepcopy(REPORT)
    made["models"]["onnx"]["parity"].update(changes)
    return made


def test_without_limits_the_figures_are_shown_and_nothing_is_asked() -> None:
    checks = list(export_checks(NO_LIMITS, REPORT))
    assert {check.verdict for check in checks} == {"not checked"}
    assert [check.value for check in checks] == ["100 %", "2e-06", "4 ms", "40 MB"]
    assert checks[2].reason == "gate.max_latency_ms is not set"
    assert {check.verdict for check in export_checks(NO_LIMITS, None)} == {"not checked"}


@pytest.mark.parametrize(
    ("limits", "failing"),
    [
        ({"max_latency_ms": 3.9}, "latency of onnx"),
        ({"max_size_mb": 39.0}, "size of onnx"),
        ({"max_abs_difference": 1e-6}, "logit difference of onnx"),
        ({"max_latency_ms": 4.0, "max_size_mb": 40.0, "max_abs_difference": 2e-6}, None),
        ({"runtime": "pytorch", "max_latency_ms": 11.0}, "latency of pytorch"),
        ({"runtime": "pytorch", "max_size_mb": 44.0}, "size of pytorch"),
        ({"runtime": "pytorch", "max_abs_difference": 1e-9}, None),
    ],
)
def test_a_limit_refuses_what_is_beyond_it(limits: dict[str, Any], failing: str | None) -> None:
    checks = list(export_checks(GateConfig(**limits), REPORT))
    failed = [check.name for check in checks if check.verdict == "failed"]
    assert failed == ([] if failing is None else [failing])


def test_parity_is_asked_for_by_default() -> None:
    (failed,) = (
        check
        for check in export_checks(GateConfig(), report(prediction_agreement=0.98))
        if check.verdict == "failed"
    )
    assert failed.reason == "gate.min_prediction_agreement asks for at least 99 %, found 98 %"


@pytest.mark.parametrize(
    ("gate", "remedy"),
    [
        (GateConfig(runtime="onnx_int8"), "add onnx_int8 to export.formats"),
        (GateConfig(max_latency_ms=9.0, latency_batch_size=4), "timed batches of 1, not of 4"),
    ],
)
def test_a_figure_that_export_did_not_measure_fails_with_the_remedy(
    gate: GateConfig, remedy: str
) -> None:
    failed = [check for check in export_checks(gate, REPORT) if check.verdict == "failed"]
    assert remedy in failed[0].reason


def test_a_run_without_export_fails_what_the_gate_asks_of_it() -> None:
    gate = GateConfig(max_size_mb=1.0)
    failed = [check for check in export_checks(gate, None) if check.verdict == "failed"]
    assert [check.name for check in failed] == ["agreement of onnx", "size of onnx"]
    assert "run export" in failed[0].reason


def test_no_stage_depends_on_the_gate(repository: Path) -> None:
    stages = yaml.safe_load((repository / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    keys = [
        key
        for stage in stages.values()
        for params in stage["params"]
        for listed in params.values()
        for key in listed or ()
    ]
    assert "trainer" in keys
    assert not [key for key in keys if key.startswith("gate")]
