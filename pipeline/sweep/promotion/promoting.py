"""The best trial becomes an experiment that `dvc repro` reproduces."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.artifacts import shown, write_text
from pipeline.config.compose import config_hash
from pipeline.config.overrides import EXPERIMENT, PARAMS_FILE
from pipeline.config.schema import Config
from pipeline.console import notice
from pipeline.errors import ConfigError, UserError
from pipeline.provenance import project_id
from pipeline.stages.compose import compose_checked
from pipeline.sweep.definition.composition import overrides_of
from pipeline.sweep.layout import SWEEPS
from pipeline.sweep.promotion.experiment_file import experiment_text
from pipeline.sweep.promotion.pinning import pin
from pipeline.sweep.study.records import StudyRecord, TrialRecord
from pipeline.sweep.study.stored import StoredStudy, find_study
from pipeline.sweep.words import (
    first_line,
    parameter,
    params_in_words,
    values_in_words,
    violations_in_words,
)

_SIGNATURE = "Written by `python -m pipeline sweep promote`"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_NOT_NAMES = ("default", "null", "none", "true", "false")


def promote(
    name: str,
    arguments: Sequence[str],
    root: Path,
    *,
    trial: int | None = None,
    experiment: str | None = None,
    overwrite: bool = False,
    allow_dirty: bool = False,
    allow_foreign: bool = False,
) -> Path:
    """Writes a trial as `conf/experiment/<experiment>.yaml` and points `params.yaml` to it.

    Before anything is written, a copy of `conf/` with both files is composed and compared with
    the trial's configuration.

    Args:
        name: The sweep; see `stored.find_study`.
        arguments: Overrides, as the sweep was started with.
        root: The project's root.
        trial: The trial's number; by default the best one.
        experiment: Name of the new experiment; by default `<study>_best`.
        overwrite: Whether an experiment of that name that an earlier promotion wrote is replaced.
        allow_dirty: Whether the trial may come from a tree with uncommitted changes.
        allow_foreign: Whether the study may be of another project.

    Returns:
        The new file.

    Raises:
        UserError: If there is no such trial, or it cannot or must not be promoted.
    """
    stored = find_study(name, arguments, root)
    record = stored.read()
    chosen = _choose(record, trial)
    if not allow_foreign:
        _refuse_foreign(stored, record, root)
    if not allow_dirty:
        _refuse_dirty(record, chosen)
    new = f"{record.name}_best" if experiment is None else experiment
    file = _check_name(new, record, root)
    config = _recompose(record, chosen, root)
    params_file = root / PARAMS_FILE
    before = params_file.read_text(encoding="utf-8") if params_file.is_file() else ""
    params, removed = pin(before, new, config.seed)
    comment = list(_comment(record, chosen, config))
    text = experiment_text(config, new, comment, root, params=params)
    _refuse_overwriting(file, text, root, overwrite=overwrite)
    write_text(file, text)
    write_text(params_file, params)
    notice(f"trial {chosen.number} of {record.name} is now {shown(file, root)}")
    notice(f"{PARAMS_FILE} pins experiment {new} with seed {config.seed}")
    if removed:
        notice(f"{PARAMS_FILE} no longer sets {params_in_words(removed)}: it would win over it")
    notice("next: `dvc repro` trains it again and comes to the same validation metrics")
    return file


def _choose(record: StudyRecord, number: int | None) -> TrialRecord:
    if number is None:
        if record.is_multi_objective and record.ranked:
            front = "\n".join(
                f"  trial {trial.number}: {values_in_words(record, trial)}"
                for trial in record.ranked
            )
            raise UserError(
                f"study {record.name} has several objectives and so no single best trial; its "
                f"Pareto front:\n{front}",
                remedy="choose one with --trial",
            )
        if record.best is None:
            raise UserError(
                f"study {record.name} has no complete, feasible trial to promote",
                remedy=f"`python -m pipeline sweep status {record.name}` says how its trials ended",
            )
        return record.best
    found = next((trial for trial in record.trials if trial.number == number), None)
    if found is None:
        raise UserError(
            f"study {record.name} has no trial {number}",
            remedy=f"its trials have the numbers 0 to {len(record.trials) - 1}"
            if record.trials
            else "it has no trials yet",
        )
    if found.outcome != "complete":
        why = violations_in_words(found) or first_line(found.reason)
        raise UserError(
            f"trial {number} is {found.outcome}{f' ({why})' if why else ''}: only a complete, "
            "feasible trial can be promoted",
            remedy="leave --trial out for the best one",
        )
    return found


def _refuse_foreign(stored: StoredStudy, record: StudyRecord, root: Path) -> None:
    if stored.settings is None:
        reason = f"{SWEEPS}/ has no file for it"
    elif record.facts.project != project_id(root):
        reason = "it was made in another repository"
    else:
        return
    raise UserError(
        f"study {record.name} is not of this project: {reason}",
        remedy="--allow-foreign promotes it all the same, if conf/ composes to the same",
    )


def _refuse_dirty(record: StudyRecord, trial: TrialRecord) -> None:
    if trial.dirty is False and not record.facts.git_dirty:
        return
    if trial.dirty is None:
        reason = "nobody knows from which source it ran"
    elif trial.dirty:
        reason = f"it ran from revision {trial.revision} with uncommitted changes"
    else:
        reason = "its study was begun with uncommitted changes"
    raise UserError(
        f"trial {trial.number} of {record.name} cannot be traced back: {reason}",
        remedy="commit and run the sweep again, or promote it all the same with --allow-dirty",
    )


def _check_name(new: str, record: StudyRecord, root: Path) -> Path:
    if not _NAME.fullmatch(new) or new.lower() in _NOT_NAMES or _is_number(new):
        raise UserError(
            f"an experiment cannot be called {new!r}",
            remedy="use letters, digits, _, - and ., for example --as "
            f"{re.sub('[^A-Za-z0-9_]+', '_', record.name)}_best",
        )
    if new == record.facts.experiment:
        raise UserError(
            f"the trials of {record.name} start from experiment {new}: without it none of them "
            "could be composed again",
            remedy="give another name with --as",
        )
    return root / "conf" / EXPERIMENT / f"{new}.yaml"


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _refuse_overwriting(file: Path, text: str, root: Path, *, overwrite: bool) -> None:
    if not file.exists():
        return
    there = file.read_text(encoding="utf-8")
    if there == text:
        return
    if _SIGNATURE not in there:
        raise UserError(
            f"{shown(file, root)} exists, and no promotion wrote it",
            remedy="give another name with --as, or remove the file first",
        )
    if not overwrite:
        raise UserError(
            f"{shown(file, root)} exists: it is an earlier promotion",
            remedy="replace it with --overwrite, or give another name with --as",
        )


def _recompose(record: StudyRecord, trial: TrialRecord, root: Path) -> Config:
    """Composes a trial as it was composed when it ran.

    A sweep that names no experiment starts from the pinned one, which a promotion changes; then
    the experiment it was stands in for it.
    """
    assert trial.facts is not None
    arguments = record.facts.arguments
    starts: list[tuple[str, ...]] = [arguments]
    if not any(argument.startswith(f"{EXPERIMENT}=") for argument in arguments):
        starts.append((f"{EXPERIMENT}={record.facts.experiment}", *arguments))
    problem: ConfigError | None = None
    for start in starts:
        try:
            config = compose_checked([*start, *overrides_of(trial.facts.overrides)], root)
        except ConfigError as error:
            problem = error
            continue
        if config_hash(config) == trial.facts.config_hash:
            return config
    revision = trial.revision or record.facts.git_revision
    told = "" if problem is None else f"\n{problem}"
    raise UserError(
        f"trial {trial.number} of {record.name} can no longer be composed: conf/, {PARAMS_FILE} or "
        f"the schema have changed since it ran{told}",
        remedy="run the sweep again"
        if revision is None
        else f"`git checkout {revision}`, which it ran from, and promote there",
    ) from problem


def _comment(record: StudyRecord, trial: TrialRecord, config: Config) -> Iterator[str]:
    """What the file is and where it comes from, a line each."""
    yield f"Trial {trial.number} of the sweep {record.name}: {values_in_words(record, trial)}."
    yield f"{_SIGNATURE}; `dvc repro` reproduces it."
    yield f"study:      {record.name}"
    yield f"from:       experiment {record.facts.experiment}"
    for position, (key, value) in enumerate((trial.params or {}).items()):
        yield f"{'' if position else 'searched:':<12}{key}={_one_line(parameter(value))}"
    for (metric, direction), value in zip(record.facts.objectives, trial.values, strict=True):
        yield f"validation: {metric} {value!r} ({direction})"
    seeds = trial.seeds or {}
    own = seeds.get(config.seed, {})
    if len(seeds) > 1:
        yield f"            the mean over the seeds {', '.join(map(str, seeds))}"
        for metric, _ in record.facts.objectives:
            if metric in own:
                yield f"            {metric} {own[metric]!r} with seed {config.seed}, pinned here"
    state = {True: ", with uncommitted changes", False: "", None: ""}[trial.dirty]
    yield f"revision:   {trial.revision or 'unknown'}{state}"
    if trial.ended is not None:
        yield f"date:       {trial.ended.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"
    yield f"data:       fingerprint {trial.fingerprint or 'unknown'}"
    if config.trainer.num_threads is not None:
        yield "trainer.num_threads is that of the trial: another number of threads adds up in"
        yield "another order and gives slightly different weights."


def _one_line(text: str) -> str:
    return " ".join(text.split())
