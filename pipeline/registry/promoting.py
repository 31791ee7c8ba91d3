"""`python -m pipeline promote`: the candidate becomes the champion if it passes the gate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.artifacts import lasting_root
from pipeline.config.compose import compose
from pipeline.config.schema import Config
from pipeline.console import notice, out
from pipeline.data.quality.finding import count_of
from pipeline.errors import UserError, did_you_mean
from pipeline.registry.gate import GateReport, run_gate
from pipeline.registry.naming import CANDIDATE, CHAMPION, check_name, default_name
from pipeline.registry.record import record_outcome
from pipeline.registry.table import gate_table
from pipeline.tracking.reading import RunReader, RunRecord
from pipeline.tracking.registry import ModelRegistry, Version


def promote(
    name: str | None, *, version: int | None, root: Path, arguments: Sequence[str] = ()
) -> int:
    """Moves the alias `champion`, or says everything that speaks against it.

    The gate is the section `gate` of the project's configuration, not of the candidate's own. Its
    report is kept with the version either way.

    Args:
        name: The registered model; by default that of the pinned task and dataset.
        version: The version to promote; by default the candidate.
        root: The project's root.
        arguments: Overrides in Hydra's grammar, for example `gate=serving`.

    Returns:
        0 if the version is the champion now, 1 if the gate refused it.

    Raises:
        UserError: If there is no such model or version, or its run is gone.
        EnvironmentProblem: If the store does not answer or refuses.
    """
    config = compose(arguments, root)
    registry = ModelRegistry(config.tracking, lasting_root(root))
    reader = RunReader(config.tracking, lasting_root(root))
    name = _known_name(registry, name, config)
    champion = registry.aliased(name, CHAMPION)
    candidate = _chosen(registry, name, version, champion)
    if champion is not None and champion.number == candidate.number:
        out.print(f"{candidate} is the champion already", soft_wrap=True)
        return 0

    run = _run_of(reader, candidate)
    report = run_gate(reader, config.gate, run, _run_or_why(reader, champion))
    _tell(report, candidate, champion)
    if _number(registry.aliased(name, CHAMPION)) != _number(champion):
        raise UserError(
            f"{name} got another champion while the gate looked at {candidate}",
            remedy="promote again: the gate then compares it with that one",
        )
    record_outcome(registry, candidate, champion, report, run)
    if report.failures:
        out.print(f"not promoted: {candidate} failed {_counted(report)}", soft_wrap=True)
        return 1
    was = "there was none" if champion is None else f"was version {champion.number}"
    where = f"models:/{name}@{CHAMPION}"
    out.print(f"promoted: {candidate} is {CHAMPION} ({was}): {where}", soft_wrap=True)
    notice(f"page: {registry.page(candidate)}")
    return 0


def _known_name(registry: ModelRegistry, name: str | None, config: Config) -> str:
    known = registry.names()
    wanted = name or default_name(config.task.name, config.data.name)
    if wanted in known:
        return wanted
    if name is not None:
        check_name(name)
    message = f"there is no registered model {wanted!r}"
    if name is None:
        message += ", by which the models of the pinned task and dataset are named"
    if not known:
        remedy = "register one first: `python -m pipeline register RUN`"
    elif name is None:
        remedy = f"register one, or name one of these: {', '.join(known)}"
    else:
        remedy = did_you_mean(wanted, known)
    raise UserError(message, remedy=remedy)


def _chosen(
    registry: ModelRegistry, name: str, number: int | None, champion: Version | None
) -> Version:
    """The version to promote."""
    if number is None:
        candidate = registry.aliased(name, CANDIDATE) or champion
        if candidate is None:
            raise UserError(
                f"{name} has no candidate",
                remedy="register a run, `python -m pipeline register RUN`, or name a version with "
                "--version",
            )
        return candidate
    found = registry.version(name, number)
    if found is None:
        known = ", ".join(str(one.number) for one in registry.versions(name)) or "none"
        raise UserError(f"{name} has no version {number}", remedy=f"it has: {known}")
    return found


def _run_of(reader: RunReader, version: Version) -> RunRecord:
    if version.run_id is None:
        raise UserError(
            f"{version} names no run, so nothing is known of its metrics",
            remedy="register the run that trained it: `python -m pipeline register RUN`",
        )
    return reader.get(version.run_id)


def _run_or_why(reader: RunReader, champion: Version | None) -> RunRecord | str | None:
    """The champion's run; why there is none to compare with; None without a champion."""
    if champion is None:
        return None
    try:
        return _run_of(reader, champion)
    except UserError as error:
        return (
            f"the champion, version {champion.number}, cannot be compared with, since "
            f"{error.message}; take its alias away in MLflow to promote without a comparison"
        )


def _tell(report: GateReport, candidate: Version, champion: Version | None) -> None:
    against = "" if champion is None else f" against version {champion.number}"
    out.print(gate_table(report, f"{candidate}{against}"))
    if report.verdict is not None:
        out.print(report.verdict, markup=False, soft_wrap=True)
    for check in report.failures:
        out.print(f"{check.name}: {check.reason}", markup=False, soft_wrap=True)


def _counted(report: GateReport) -> str:
    names = ", ".join(check.name for check in report.failures)
    return f"{count_of(len(report.failures), 'check')}: {names}"


def _number(version: Version | None) -> int | None:
    return None if version is None else version.number
