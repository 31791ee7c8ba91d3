"""The tracked run of a group, in which the runs of its seeds are nested."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.artifacts import lasting_root
from pipeline.config.compose import group_hash
from pipeline.config.schema import WITHOUT_EFFECT
from pipeline.console import notice, out
from pipeline.data.store import EncodedDataset
from pipeline.provenance import collect
from pipeline.stages.group import Group, Member
from pipeline.stages.group_results import group_results
from pipeline.stages.naming import changes, parent_name
from pipeline.stages.run_log import is_known, open_named_run
from pipeline.tasks.registry import load_task, metric_names
from pipeline.tracking.links import DESCRIPTION_TAG
from pipeline.tracking.log import RunLog
from pipeline.tracking.status import run_hint
from pipeline.training.hardware import is_main_process

_STEP = 0


class GroupLog:
    """Tells the terminal and the group's run what its seeds came to.

    Args:
        log: The group's run.
        group: The group.
    """

    def __init__(self, log: RunLog, group: Group) -> None:
        self._log = log
        self._group = group
        config = group.config
        task = load_task(config.task.kind, config.task.options)
        self._names = metric_names(task, config.task.primary_metric)

    def results(self, members: Sequence[Member], *, show: bool = False) -> None:
        """Logs the spread of each metric over the seeds, and a description with all of them.

        Args:
            members: All with a complete model, those of earlier commands too.
            show: Whether to print the primary metric of each seed as well.
        """
        if not members:
            return
        found = group_results(members, self._names, self._group.config.evaluation.confidence)
        self._log.set_tags(
            {
                "seeds": ", ".join(map(str, found.seeds)),
                "num_seeds": str(len(found.seeds)),
                DESCRIPTION_TAG: found.markdown(),
            }
        )
        self._log.log_metrics(found.tracked(), _STEP, replace=True)
        if show:
            out.print(found.table())


@contextmanager
def group_log(group: Group, key: str, stage: str, *, root: Path) -> Iterator[GroupLog]:
    """Opens the group's run, or continues it; of a distributed run the main process does.

    Args:
        group: Its datasets are prepared.
        key: The run's key.
        stage: Which stage asks.
        root: The project's root.
    """
    if not is_main_process():
        yield GroupLog(RunLog(key), group)
        return
    config = group.config
    info = EncodedDataset.open(group.members[0].outputs.dataset).info
    tags = {
        **collect(root).tags(),
        "role": "group",
        "stage": stage,
        "config.group": group_hash(config),
        "data.name": info.name,
    }
    if group.shares_dataset:
        tags["data.hash"] = info.fingerprint
    named = ""
    if config.tracking.enabled and not is_known(lasting_root(root), key):
        named = parent_name(config, changes(config, root), key)
    with open_named_run(
        config,
        key,
        root=root,
        name=named,
        tags=tags,
    ) as log:
        log.log_params(config.model_dump(mode="json", exclude={*WITHOUT_EFFECT, "seed"}))
        yield GroupLog(log, group)


def tell_next(group: Group, key: str, *, root: Path) -> None:
    """Says how to compare the group, if it is tracked."""
    hint = run_hint(group.config.tracking, lasting_root(root), key)
    if hint is not None:
        name = shlex.quote(hint.run_name)
        notice(f"compare it with another run or group: `python -m pipeline compare {name} OTHER`")
