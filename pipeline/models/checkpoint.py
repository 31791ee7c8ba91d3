"""Where a model's weights come from: pretrained and proved, or drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.schema import ModelConfig
from pipeline.errors import UserError
from pipeline.models.locate import check_weights, describe, locate
from pipeline.models.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from pipeline.tasks.base import Head


@dataclass(frozen=True)
class Checkpoint:
    """A source of models, ready to load.

    Attributes:
        description: Where the weights come from, in words.
        directory: The checkpoint's local directory, of safetensors only; None from scratch.
        section: The section `model` of the config.
        tokenizer: The tokenizer whose ids the model will read; None if not known yet.
    """

    description: str
    directory: Path | None
    section: ModelConfig
    tokenizer: PreTrainedTokenizerFast | None

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

        pad_token_id = None if self.tokenizer is None else self.tokenizer.pad_token_id
        if self.directory is not None:
            return load_pretrained(
                self.directory,
                head,
                attention=self.section.attention,
                dropout=self.section.dropout,
                pad_token_id=pad_token_id,
                config=config,
            )
        assert self.section.architecture is not None
        assert self.tokenizer is not None
        return build_model(
            self.section.architecture,
            self.tokenizer,
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
        dataset_dir: The prepared dataset, whose `tokenizer/` gives the padding id and, from
            scratch, the size of the vocabulary. May be None for a pretrained checkpoint.

    Raises:
        CheckpointError: If it is missing, damaged, a pickle, or not what the config pins.
        EnvironmentProblem: If the hub cannot be reached and its cache has no copy.
        UserError: If a model from scratch has no tokenizer yet.
    """
    tokenizer = None if dataset_dir is None else load_tokenizer(dataset_dir / "tokenizer")
    if model.architecture is not None:
        if tokenizer is None:
            raise UserError(
                "a model from scratch needs the tokenizer that prepare trains",
                remedy="run `python -m pipeline prepare` first",
            )
        description = f"from scratch: {model.architecture.kind}, {len(tokenizer)} tokens"
        return Checkpoint(description, None, model, tokenizer)
    directory = locate(model.checkpoint, root=root, weights=True)
    check_weights(directory)
    return Checkpoint(describe(model.checkpoint), directory, model, tokenizer)
