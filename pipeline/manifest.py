"""The record that a trained model carries: where it came from and what made it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.artifacts import MANIFEST_FILE, read_json, write_json
from pipeline.errors import UserError

FILE_NAME = MANIFEST_FILE


class ParentModel(BaseModel):
    """The model of another training whose weights a model began with."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    location: str
    """Where it was taken from, as the config names it."""
    weights_sha256: str
    """SHA-256 of its weights; that of a list of them where they are in several files."""
    run_key: str | None = None
    """Its run's own key; None where this pipeline did not train it."""
    run_id: str | None = None
    """The id of its run in the tracking store, where that is known."""
    experiment: str | None = None
    """The experiment that made it, where that is known."""

    def tags(self) -> dict[str, str]:
        """What runs are found by."""
        known = {
            "checkpoint.run_id": self.run_id,
            "checkpoint.run_key": self.run_key,
            "checkpoint.experiment": self.experiment,
            "checkpoint.weights_sha256": self.weights_sha256,
        }
        return {name: value for name, value in known.items() if value is not None}


class Manifest(BaseModel):
    """What made a model; `outputs/model/manifest.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    run_key: str
    """The run's own key; tracking continues the same MLflow run under it."""
    parent_key: str | None = None
    """The key of the run it is nested in; None for a model of an earlier version or of a sweep."""
    experiment: str
    task: str
    """The task's kind, as the config names it."""
    task_options: dict[str, Any]
    """The section `task.options` of the config; with the kind it makes the task again."""
    task_state: dict[str, Any] = {}
    """What the task learned that decoding needs, such as thresholds."""
    label_names: tuple[str, ...]
    seed: int
    config_hash: str
    """SHA-256 of the resolved config."""
    dataset_fingerprint: str
    """SHA-256 of the prepared dataset's content."""
    git_revision: str | None
    git_dirty: bool | None
    versions: dict[str, str]
    """Python and library versions."""
    host: str
    checkpoint: str
    """Where the pretrained weights came from, in words."""
    parent_model: ParentModel | None = None
    """The model that another training made and this one began with."""
    num_parameters: int
    num_trainable_parameters: int
    epochs: int
    """Epochs begun."""
    steps: int
    """Optimizer steps made."""
    best_step: int
    """The optimizer step whose weights were kept."""
    best_epoch: int
    validation: dict[str, float]
    """Validation metrics of the kept weights."""
    train_seconds: float
    """Time in training steps of all parts of the run; validation and saving are not counted."""
    tokens_per_second: float
    """Training tokens, padding not counted, per second of training."""
    peak_memory_mb: float | None = None
    """Largest resident memory of the training process, in 10^6 bytes."""
    energy_wh: float | None = None
    """Energy that the machine took while it trained, in watt-hours, where that can be read."""

    def write(self, model_directory: Path) -> None:
        """Writes the manifest beside the model's weights."""
        write_json(model_directory / FILE_NAME, self.model_dump(mode="json"))

    def check_dataset(self, fingerprint: str, *, model: Path, dataset: Path) -> None:
        """Refuses a dataset that the model was not trained on.

        Args:
            fingerprint: That of the dataset.
            model: The model's directory, for the message.
            dataset: The dataset's directory, for the message.

        Raises:
            UserError: If the model was trained on other data.
        """
        if self.dataset_fingerprint != fingerprint:
            raise UserError(
                f"the model in {model} was not trained on the data in {dataset}, it was "
                f"trained on other data: fingerprint {self.dataset_fingerprint[:12]}, "
                f"not {fingerprint[:12]}",
                remedy="run `dvc repro`, which trains it on these data",
            )

    @classmethod
    def read(cls, model_directory: Path) -> Self:
        """Reads the manifest beside a model's weights.

        Raises:
            UserError: If it is missing or damaged.
        """
        try:
            return cls.model_validate(read_json(model_directory / FILE_NAME))
        except ValidationError as error:
            raise UserError(
                f"{model_directory / FILE_NAME} is not a manifest of this version: "
                f"{error.errors()[0]['msg']}",
                remedy="train the model anew with `dvc repro --force train`",
            ) from error
