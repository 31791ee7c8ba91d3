"""Models that the tracking store holds: which run an address means, and their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.config.schema import TrackingConfig
from pipeline.errors import UserError
from pipeline.tracking.access import StoreAccess
from pipeline.tracking.reading import RunReader, RunRecord
from pipeline.tracking.registry import ModelRegistry, Version
from pipeline.tracking.store import URI_VARIABLE

WEIGHTS_TAG = "weights.sha256"
"""The tag of a run with the SHA-256 of the weights it trained, where they are in one file."""
_ELSEWHERE = f"; for another store, set {URI_VARIABLE} (or tracking.uri) to its address"


@dataclass(frozen=True)
class StoredModel:
    """A model in the store.

    Attributes:
        record: The run that trained it.
        model_id: The logged model.
        version: The version of a registered model that the address named, in words; None for one
            that named the run.
    """

    record: RunRecord
    model_id: str
    version: str | None

    @property
    def weights_sha256(self) -> str | None:
        """SHA-256 of its weights, where the run says it."""
        return self.record.tags.get(WEIGHTS_TAG) or None

    def __str__(self) -> str:
        run = f"run {self.record.run_id} ({self.record.name})"
        return run if self.version is None else f"{self.version}, {run}"


class ModelFetcher:
    """Finds and fetches models; nothing is asked before the first call.

    Every method raises `EnvironmentProblem` if the store does not answer.

    Args:
        tracking: The tracking section; its store is read even where runs are not logged.
        root: `artifacts.lasting_root()`.
    """

    def __init__(self, tracking: TrackingConfig, root: Path) -> None:
        reading = tracking.model_copy(update={"enabled": True})
        self._store = StoreAccess(reading, root)
        self._reader = RunReader(reading, root)
        self._registry = ModelRegistry(reading, root)

    def find(self, location: str) -> StoredModel:
        """The model that an address means.

        Args:
            location: `runs:/<run id>`, `models:/<name>/<version>` or `models:/<name>@<alias>`; the
                run around one model, as `runs` lists it, stands for it.

        Raises:
            UserError: If there is no such run, version or alias, or the run logged no model.
        """
        if location.startswith("runs:/"):
            return self._of_run(location.removeprefix("runs:/"))
        version = self._version(location.removeprefix("models:/"))
        if version.run_id is None:
            raise UserError(
                f"{version} was not registered from a run, so nothing says where it came from",
                remedy="register a run's model with `python -m pipeline register`, or copy the "
                "model's files and name them with checkpoint.source=directory",
            )
        found = self._of_run(version.run_id)
        model_id = version.source.removeprefix("models:/")
        known = model_id in found.record.model_ids
        return StoredModel(found.record, model_id if known else found.model_id, str(version))

    def versions_with(self, location: str, weights_sha256: str) -> list[str]:
        """Addresses of versions of the same registered model that have these weights."""
        name = location.removeprefix("models:/").partition("@")[0].partition("/")[0]
        found = []
        for version in self._registry.versions(name):
            run = None if version.run_id is None else self._reader.get(version.run_id)
            if run is not None and run.tags.get(WEIGHTS_TAG) == weights_sha256:
                found.append(f"models:/{name}/{version.number}")
        return found

    def download(self, model: StoredModel, into: Path) -> Path:
        """Fetches a model's files.

        Args:
            model: From `find`.
            into: An existing empty directory.

        Returns:
            The directory below it that holds `config.json` beside the weights.

        Raises:
            UserError: If the store has no such directory of it, or several.
        """
        from mlflow.artifacts import download_artifacts

        with self._store.asking() as client:
            stored = client.get_logged_model(model.model_id)
            download_artifacts(
                artifact_uri=stored.artifact_location,
                dst_path=str(into),
                tracking_uri=self._store.uri,
            )
        found = sorted(
            path.parent
            for path in into.rglob("config.json")
            if any(path.parent.glob("*.safetensors"))
        )
        if len(found) != 1:
            raise UserError(
                f"the logged model of {model} holds {len(found)} directories with config.json and "
                "safetensors weights, and a checkpoint is one",
                remedy="fetch the right one with `mlflow artifacts download` and name it with "
                "checkpoint.source=directory",
            )
        return found[0]

    def _of_run(self, word: str) -> StoredModel:
        try:
            record = self._reader.find(word)
        except UserError as error:
            if URI_VARIABLE in str(error.remedy):
                raise
            raise UserError(error.message, remedy=f"{error.remedy}{_ELSEWHERE}") from error
        models = [record] if record.model_ids else self._reader.children(record.run_id)
        models = [run for run in models if run.model_ids]
        if len(models) == 1:
            return StoredModel(models[0], models[0].model_ids[-1], None)
        if models:
            names = "".join(f"\n  {run.run_id}  {run.name}" for run in models)
            raise UserError(
                f"run {record.run_id} ({record.name}) holds {len(models)} models:{names}",
                remedy="name one of them: runs:/<run id>",
            )
        going = ": it is still going on" if record.status == "RUNNING" else ""
        raise UserError(
            f"run {record.run_id} ({record.name}) has logged no model{going}",
            remedy="train it again with tracking.log_model=true, or name the directory of its "
            "model with checkpoint.source=directory",
        )

    def _version(self, word: str) -> Version:
        name, at, alias = word.partition("@")
        if at:
            found = self._registry.aliased(name, alias)
        else:
            name, _, number = word.partition("/")
            found = self._registry.version(name, int(number))
        if found is not None:
            return found
        what = f"alias {alias!r}" if at else f"version {number}"
        numbers = ", ".join(str(version.number) for version in self._registry.versions(name))
        has = f"its versions are {numbers}" if numbers else "nor any version of it"
        raise UserError(
            f"the tracking store {self._store.address} has no {what} of a registered model "
            f"{name!r}: {has}",
            remedy=f"`python -m pipeline register` makes versions{_ELSEWHERE}",
        )
