"""Makes, keeps and reads what encodes the rows of a task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.config.schema import ModelConfig
from pipeline.models.tokenizer import load_tokenizer, make_tokenizer
from pipeline.tasks.base import Column
from pipeline.tasks.processor import Processor


def make_processor(
    model: ModelConfig, columns: Sequence[Column], *, root: Path, train_texts: Iterable[str]
) -> Processor:
    """Makes the processor of a model for what a task reads; torch is not imported.

    Args:
        model: The section `model` of the config.
        columns: The task's.
        root: The directory that relative paths start from.
        train_texts: The texts of the train split, cleaned; read only if a vocabulary is trained.

    Raises:
        CheckpointError: If the checkpoint is missing, damaged or has no usable tokenizer.
        ConfigError: If tokenizer, checkpoint and `max_length` contradict each other.
        DataError: If the train split gives no vocabulary.
    """
    if not any(column.kind in {"text", "messages"} for column in columns):
        return Processor()
    return Processor(make_tokenizer(model, root=root, train_texts=train_texts))


def save_processor(processor: Processor, directory: Path) -> None:
    """Writes the processor's files, in the Hugging Face layout, into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    if processor.text is not None:
        processor.text.save_pretrained(str(directory))


def load_processor(directory: Path) -> Processor:
    """Reads what `save_processor` wrote, or a checkpoint's own.

    Raises:
        CheckpointError: If files are damaged.
    """
    return Processor(load_tokenizer(directory))
