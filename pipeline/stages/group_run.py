"""Runs a stage of one configuration with several seeds: one after the other, in one process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.artifacts import cannot_write, shown, write_text
from pipeline.config.compose import save_config
from pipeline.console import notice, warn
from pipeline.data.quality.finding import count_of
from pipeline.data.store import INFO_FILE
from pipeline.errors import EnvironmentProblem, PipelineError
from pipeline.stages import prepare
from pipeline.stages.checkpoints import fetch_checkpoint
from pipeline.stages.datasets import dataset_key
from pipeline.stages.group import (
    PREPARED_FROM,
    Group,
    Member,
    group_key,
    is_trained,
    make_group,
    trained_members,
)
from pipeline.stages.seeds import SeedsWish

AGAIN = "run the same command again: it goes on with what is missing"


class SeedsFailed(PipelineError):
    """Some seeds came to nothing; the others are complete.

    Args:
        group: The group.
        failures: Why, by seed.
    """

    def __init__(self, group: Group, failures: dict[int, Exception]) -> None:
        lines = [f"\n  seed {seed}: {_in_words(error)}" for seed, error in failures.items()]
        super().__init__(
            f"{len(failures)} of {count_of(len(group.members), 'seed')} failed:{''.join(lines)}",
            remedy="the other seeds are complete and kept; mend the cause, then run the same "
            "command again, which runs the failed ones alone",
        )


def run_group(stage: str, arguments: Sequence[str], wish: SeedsWish, *, root: Path) -> None:
    """Runs a stage with every seed, and first the stages before it where they are missing.

    Data is prepared once. A model that is there already, of this configuration, data and code, is
    not trained again; an interrupted training goes on from its state. A seed that fails does not
    keep the others from running.

    Args:
        stage: prepare, train, evaluate or export.
        arguments: Hydra overrides; none for the pinned experiment.
        wish: Which seeds.
        root: The project's root.

    Raises:
        ConfigError: With every problem of the configuration.
        SeedsFailed: If some seeds failed, after all have been tried; if all did for the same
            reason, that reason itself.
        EnvironmentProblem: If another process runs the same group.
    """
    group = make_group(arguments, wish, root)
    with _alone(group):
        notice(
            f"{count_of(len(group.members), 'seed')} of {group.config.experiment} in "
            f"{shown(group.directory, root)}"
        )
        for member in group.members:
            save_config(member.config, member.outputs.config)
        try:
            _prepare(group, root, again=stage == "prepare")
            if stage != "prepare":
                _run_stages(stage, group, root)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted\n  remedy: {AGAIN}") from None


@contextmanager
def _alone(group: Group) -> Iterator[None]:
    """Holds the group; of processes that share the training of a seed, the first one does."""
    from filelock import FileLock, Timeout

    from pipeline.training.hardware import is_main_process

    if not is_main_process():
        yield
        return
    try:
        group.directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(group.directory / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise EnvironmentProblem(
            f"another process is running seeds of this configuration in {group.directory}",
            remedy="wait for it, then run the command again",
        ) from None
    except OSError as error:
        raise cannot_write(group.directory, error) from error
    try:
        yield
    finally:
        lock.release()


def _prepare(group: Group, root: Path, *, again: bool) -> None:
    """Prepares the group's dataset, or each member's own, unless it is there and fits."""
    from filelock import FileLock

    for member in group.members[:1] if group.shares_dataset else group.members:
        fetch_checkpoint(member.config.model.checkpoint, member.config.tracking, root)
        key = dataset_key(member.config, root=root)
        dataset = member.outputs.dataset
        note = dataset.with_name(PREPARED_FROM)
        with FileLock(dataset.with_name(".preparing.lock")):
            known = note.read_text(encoding="utf-8").strip() if note.is_file() else None
            if known == key and (dataset / INFO_FILE).is_file() and not again:
                continue
            if known not in {None, key}:
                notice("the raw data or the code that prepares it has changed: preparing it anew")
            note.unlink(missing_ok=True)
            prepare.run(member.config, root=root, outputs=member.outputs)
            write_text(note, f"{key}\n")


def _run_stages(stage: str, group: Group, root: Path) -> None:
    from pipeline.stages.group_log import group_log, tell_next
    from pipeline.training.hardware import is_main_process

    key = group_key(group, root)
    failures: dict[int, Exception] = {}
    missing = [member for member in group.members if not is_trained(member, key)]
    with group_log(group, key, stage, root=root) as log:
        _tell_of_kept(group, missing)
        _each(group, missing, "train", failures, lambda m: _train(m, root, key))
        if not is_main_process():
            return
        log.results(trained_members(group, key), show=stage == "train")
        if stage in {"evaluate", "export"}:
            _measure(stage, group, root, failures)
            log.results(trained_members(group, key), show=True)
        if failures:
            _raise(group, failures)
    tell_next(group, key, root=root)


def _tell_of_kept(group: Group, missing: Sequence[Member]) -> None:
    kept = [str(member.seed) for member in group.members if member not in missing]
    if kept:
        seeds = f"seed {kept[0]} is" if len(kept) == 1 else f"seeds {', '.join(kept)} are"
        notice(f"{seeds} trained already, from this configuration, data and code: kept")


def _each(
    group: Group,
    members: Sequence[Member],
    doing: str,
    failures: dict[int, Exception],
    run: Callable[[Member], object],
) -> None:
    """Does something with each member that has not failed yet; what fails is kept for the end."""
    from pipeline.training.hardware import give_back_memory

    seeds = [member.seed for member in group.members]
    for member in members:
        if member.seed in failures:
            continue
        place = f"{seeds.index(member.seed) + 1} of {len(seeds)}"
        notice(f"seed {member.seed} ({place}): {doing}")
        try:
            run(member)
        except Exception as error:
            if isinstance(error, PipelineError) and error.run_status == "KILLED":
                raise
            failures[member.seed] = error.with_traceback(None)  # its frames would keep the model
            warn(f"seed {member.seed} ({place}) failed: {_in_words(error)}")
        finally:
            give_back_memory()


def _train(member: Member, root: Path, key: str) -> None:
    from pipeline.stages import train

    train.run(member.config, root=root, outputs=member.outputs, parent=key)
    for made_of_old in (member.outputs.evaluation, member.outputs.export):
        shutil.rmtree(made_of_old, ignore_errors=True)


def _measure(stage: str, group: Group, root: Path, failures: dict[int, Exception]) -> None:
    """Evaluates every member, or for export only those that are not, which it then exports."""
    from pipeline.stages import evaluate, export

    def evaluated(member: Member) -> None:
        evaluate.run(member.config, root=root, outputs=member.outputs)

    def exported(member: Member) -> None:
        export.run(member.config, root=root, outputs=member.outputs)

    missing = [m for m in group.members if stage == "evaluate" or not m.outputs.evaluation.is_dir()]
    _each(group, missing, "evaluate", failures, evaluated)
    if stage == "export":
        _each(group, group.members, "export", failures, exported)


def _raise(group: Group, failures: dict[int, Exception]) -> None:
    reasons = {_in_words(error) for error in failures.values()}
    first = next(iter(failures.values()))
    if len(failures) == len(group.members) and len(reasons) == 1:
        raise first
    raise SeedsFailed(group, failures) from first


def _in_words(error: Exception) -> str:
    if isinstance(error, PipelineError):
        return error.message
    return f"{type(error).__name__}: {error}"
