"""Where a model's weights come from: pretrained and proved, or drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts import PROCESSOR_DIRECTORY
from pipeline.config.model import ModelConfig
from pipeline.errors import UserError
from pipeline.manifest import ParentModel
from pipeline.models.locate import check_weights, describe, locate
from pipeline.models.parents import parent_model
from pipeline.models.processor import load_processor
from pipeline.tasks.processor import Processor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.tasks.base import Head


@dataclass(frozen=True)
class Checkpoint:
    """A source of models, ready to load.

    Attributes:
        description: Where the weights come from, in words.
        directory: The checkpoint's local directory, of safetensors only; None from scratch.
        section: The section `model` of the config.
        processor: What encodes the model's inputs; None if not known yet.
        parent: The model that another training made, if that is what it is.
    """

    description: str
    directory: Path | None
    section: ModelConfig
    processor: Processor | None
    parent: ParentModel | None = None

    def load_model(self, head: Head, **config: Any) -> PreTrainedModel:
        """Makes the model in float32, in evaluation mode.

        Weights that the checkpoint lacks are drawn from torch's global generator: seed it first.

        Args:
            head: Which of transformers' Auto classes.
            **config: Entries of the model's config, for example `num_labels`, `id2label`.

        Raises:
            CheckpointError: If the weights do not fit the model, or only its head can be new.
            UserError: If a model from scratch cannot be made from the config.
        """
        from pipeline.models.pretrained import load_pretrained
        from pipeline.models.scratch import build_model

        text = None if self.processor is None else self.processor.text
        if self.directory is not None:
            return load_pretrained(
                self.directory,
                head,
                attention=self.section.attention,
                dropout=self.section.dropout,
                pad_token_id=None if text is None else text.pad_token_id,
                config=config,
            )
        assert self.section.architecture is not None
        assert self.processor is not None
        return build_model(
            self.section.architecture,
            self.processor,
            head,
            max_length=self.section.max_length,
            attention=self.section.attention,
            dropout=self.section.dropout,
            config=config,
        )


def open_checkpoint(model: ModelConfig, *, root: Path, dataset_dir: Path | None) -> Checkpoint:
    """Finds and proves the checkpoint that the model's section names.

    Args:
        model: The section `model` of the config.
        root: The directory that relative paths start from.
        dataset_dir: The prepared dataset, whose `processor/` gives the padding id and, from
            scratch, the size of the vocabulary. May be None for a pretrained checkpoint.

    Raises:
        CheckpointError: If it is missing, damaged, a pickle, not what the config pins, or made by
            another training and not pinned.
        EnvironmentProblem: If the hub cannot be reached and its cache has no copy.
        UserError: If a model from scratch has no tokenizer yet.
    """
    processor = None if dataset_dir is None else load_processor(dataset_dir / PROCESSOR_DIRECTORY)
    if model.architecture is not None:
        if processor is None:
            raise UserError(
                "a model from scratch needs what prepare makes of the train split",
                remedy="run `python -m pipeline prepare` first",
            )
        description = f"from scratch: {model.architecture.kind}"
        if processor.text is not None:
            description += f", {len(processor.text)} tokens"
        return Checkpoint(description, None, model, processor)
    directory = locate(model.checkpoint, root=root, weights=True)
    check_weights(directory)
    return Checkpoint(
        describe(model.checkpoint),
        directory,
        model,
        processor,
        parent_model(model.checkpoint, directory),
    )
