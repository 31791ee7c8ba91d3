"""The tracked runs of an execution: one of the pipeline, and nested in it one of the model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.artifacts import content_hash, file_sha256, lasting_root
from pipeline.config.compose import config_hash, group_hash
from pipeline.config.schema import Config
from pipeline.data.store import DatasetInfo
from pipeline.manifest import Manifest
from pipeline.models.locate import WEIGHTS
from pipeline.provenance import Provenance, collect
from pipeline.stages.description import RunFacts, model_description, pipeline_description
from pipeline.stages.naming import changes, group_member_name, model_name, parent_name
from pipeline.tracking.journal import FILE_NAME, has_writer, journal_directory
from pipeline.tracking.links import DESCRIPTION_TAG
from pipeline.tracking.log import DatasetRef
from pipeline.tracking.run import RunLog, open_run

Stage = Literal["train", "evaluate", "export"]

_ELSEWHERE = (
    "trained on another machine, or its log was removed here; "
    "manifest.json beside the model says where it came from"
)


@dataclass(frozen=True)
class RunKeys:
    """The keys of a model's run and of the run it is nested in.

    Attributes:
        model: That of the model's run.
        parent: That of the run around it; None for models of earlier versions, which have none.
    """

    model: str
    parent: str | None

    @classmethod
    def of_execution(cls, key: str) -> RunKeys:
        """Those of an execution of the pipeline."""
        return cls(f"{key}-model", key)

    @classmethod
    def of_member(cls, group: str, seed: int) -> RunKeys:
        """Those of a member of a group of seeds."""
        return cls(f"{group}-seed{seed}", group)

    @classmethod
    def of(cls, manifest: Manifest) -> RunKeys:
        """Those of a trained model."""
        return cls(manifest.run_key, manifest.parent_key)

    @property
    def is_member(self) -> bool:
        """Whether the model is one of a group of seeds."""
        return self.parent is not None and self.model != f"{self.parent}-model"


@dataclass
class StageRuns:
    """The runs that a stage writes to.

    Attributes:
        config: The resolved configuration.
        changes: What differs from its experiment; empty where nothing is tracked.
        keys: Their keys.
        model: The model's run.
        parent: That of the execution; None in a group, whose run others write, and where there is
            none.
        is_new: Whether the model's run was not known here.
        earlier_seconds: Time of the stage before an interruption, which counts too.
    """

    config: Config
    changes: Sequence[str]
    keys: RunKeys
    model: RunLog
    parent: RunLog | None
    is_new: bool
    earlier_seconds: float = 0.0

    def describe(
        self,
        manifest: Manifest,
        info: DatasetInfo,
        *,
        pages: Sequence[tuple[str, str]],
        metrics: Mapping[str, Any] | None = None,
        export: Mapping[str, Any] | None = None,
    ) -> None:
        """Sets the descriptions that MLflow's UI shows, in place of earlier ones.

        Args:
            manifest: What made the model.
            info: Its dataset.
            pages: Titles and paths of files among the run's artifacts that are worth a look.
            metrics: `metrics.json`, once it is evaluated.
            export: `report.json`, once it is exported.
        """
        facts = RunFacts(
            self.config,
            manifest,
            data=(info.name, info.rows),
            changes=self.changes,
            metrics=metrics,
            export=export,
            pages=pages,
        )
        nested = self.keys.parent is not None
        self.model.set_tags({DESCRIPTION_TAG: model_description(facts, nested=nested)})
        if self.parent is not None:
            self.parent.set_tags({DESCRIPTION_TAG: pipeline_description(facts)})


@contextmanager
def open_stage_runs(
    config: Config,
    keys: RunKeys,
    *,
    root: Path,
    stage: Stage,
    tags: Mapping[str, str],
    manifest: Manifest | None = None,
) -> Iterator[StageRuns]:
    """Opens the runs with these keys, or continues them; ends them with the block.

    The run around the model's is left alone where another holds it open, such as a group of seeds.
    How long the block took becomes the metric `stage/<stage>_seconds` of the execution's run, or of
    the model's run in a group.

    Args:
        config: The resolved configuration.
        keys: The runs' keys.
        root: The project's root.
        stage: Which stage asks.
        tags: Further tags of the model's run.
        manifest: That of the model, after training. If its run is not known here, it is described
            as far as the manifest knows it, and a tag says so.
    """
    lasting = lasting_root(root)
    begin = time.monotonic()
    known = is_known(lasting, keys.model)
    described = {} if known or manifest is None else _restored_tags(config, manifest)
    shared = {"stage": stage, **described}
    changed = changes(config, root) if config.tracking.enabled else ()
    with ExitStack() as stack:
        parent = None
        if keys.parent is not None and not _is_held(lasting, keys.parent):
            parent = stack.enter_context(
                open_named_run(
                    config,
                    keys.parent,
                    root=root,
                    name=""
                    if is_known(lasting, keys.parent)
                    else parent_name(config, changed, keys.parent),
                    tags={"role": "group"}
                    if keys.is_member
                    else {"role": "pipeline", **shared, **tags},
                )
            )
        named = group_member_name if keys.is_member else model_name
        model = stack.enter_context(
            open_named_run(
                config,
                keys.model,
                root=root,
                name="" if known else named(config, changed, keys.parent or keys.model),
                tags={
                    "role": "model",
                    **shared,
                    **tags,
                    **({"group": str(keys.parent)} if keys.is_member else {}),
                },
                parent=keys.parent,
                system_metrics=stage == "train",
            )
        )
        runs = StageRuns(
            config, changed, keys, model, None if keys.is_member else parent, not known
        )
        yield runs
        seconds = time.monotonic() - begin + runs.earlier_seconds
        timed = runs.parent or model
        timed.log_metrics({f"stage/{stage}_seconds": seconds}, 0, replace=True)


def training_tags(config: Config, provenance: Provenance) -> dict[str, str]:
    """What train says of a run: where it comes from, and by what one finds it."""
    return {
        **provenance.tags(),
        "seed": str(config.seed),
        "config.hash": config_hash(config),
        "config.group": group_hash(config),
    }


def later_tags(stage: Stage, root: Path) -> dict[str, str]:
    """What a stage after train adds: the revision it ran from."""
    return {f"{stage}.git.revision": collect(root).git.revision or "none"}


def dataset_ref(info: DatasetInfo, split: str) -> DatasetRef:
    """Name and digest of a split, as tracking knows it."""
    return DatasetRef(f"{info.name}/{split}", content_hash([info.fingerprint, split]))


def weights_sha256(directory: Path) -> str:
    """SHA-256 of a model's weights; empty where they are not in one file."""
    path = directory / WEIGHTS
    return file_sha256(path) if path.is_file() else ""


def _restored_tags(config: Config, manifest: Manifest) -> dict[str, str]:
    tags = {
        "origin": _ELSEWHERE,
        "seed": str(manifest.seed),
        "config.hash": manifest.config_hash,
        "data.hash": manifest.dataset_fingerprint,
        "checkpoint": manifest.checkpoint,
        **({} if manifest.parent_model is None else manifest.parent_model.tags()),
        "host": manifest.host,
        **{f"version.{name}": version for name, version in manifest.versions.items()},
    }
    if manifest.config_hash == config_hash(config):
        tags["config.group"] = group_hash(config)
    if manifest.git_revision is not None:
        tags["git.revision"] = tags["mlflow.source.git.commit"] = manifest.git_revision
        tags["git.dirty"] = str(manifest.git_dirty).lower()
    return tags


def is_known(root: Path, key: str) -> bool:
    """Whether a run was opened here before."""
    return (journal_directory(root, key) / FILE_NAME).is_file()


def _is_held(root: Path, key: str) -> bool:
    return is_known(root, key) and has_writer(journal_directory(root, key))


def open_named_run(
    config: Config,
    key: str,
    *,
    root: Path,
    name: str,
    tags: Mapping[str, str],
    parent: str | None = None,
    system_metrics: bool = False,
) -> RunLog:
    """Opens a run, or continues it, in the configuration's experiment.

    Args:
        config: The resolved configuration; a run's name that it gives is not taken.
        key: The run's key.
        root: The project's root.
        name: The run's name; empty where it has one.
        tags: Tags to set.
        parent: Key of the run it is nested in.
        system_metrics: Whether the machine's use is sampled.
    """
    return open_run(
        config.tracking.model_copy(update={"run_name": None}),
        root=lasting_root(root),
        key=key,
        experiment=config.mlflow_experiment,
        run_name=name or key,
        tags=tags,
        parent=parent,
        system_metrics=system_metrics,
    )
