"""Keeps what the gate found with the versions it was about, and moves the alias."""

from __future__ import annotations

import time

from pipeline.registry.describing import version_text
from pipeline.registry.gate import GateReport
from pipeline.registry.naming import CANDIDATE, CHAMPION
from pipeline.registry.table import gate_markdown
from pipeline.tracking.reading import RunRecord
from pipeline.tracking.registry import ModelRegistry, Version

GATE = "gate"
UNTIL = "champion_until"
SINCE = "champion_since"


def record_outcome(
    registry: ModelRegistry,
    candidate: Version,
    champion: Version | None,
    report: GateReport,
    run: RunRecord,
) -> None:
    """Writes the gate's report to the candidate; if nothing failed, makes it the champion.

    The alias moves after all tags are set: broken off before, the same command does it all again.

    Args:
        registry: The registry.
        candidate: What the gate looked at.
        champion: What it was compared with; None where there was none.
        report: What the gate found.
        run: The candidate's run.
    """
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    compared = "no champion" if champion is None else f"version {champion.number}"
    failed = ", ".join(check.name for check in report.failures)
    text = f"\n\n## Gate, {now}, against {compared}\n\n{gate_markdown(report)}"
    registry.describe(candidate, f"{version_text(run)}{text}")
    tags: dict[str, str | None] = {
        GATE: f"failed: {failed}" if failed else "passed",
        f"{GATE}.against": compared,
        f"{GATE}.time": now,
    }
    if failed:
        registry.tag(candidate, tags)
        return
    registry.tag(candidate, {**tags, SINCE: now, UNTIL: None})
    if champion is not None:
        registry.tag(champion, {UNTIL: now})
    registry.point(candidate, CHAMPION)
    waiting = registry.aliased(candidate.name, CANDIDATE)
    if waiting is not None and waiting.number == candidate.number:
        registry.unpoint(candidate.name, CANDIDATE)
