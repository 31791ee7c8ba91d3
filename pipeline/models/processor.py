"""Makes, keeps and reads what encodes the rows of a task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.config.model import ModelConfig
from pipeline.models.audio_processor import load_audio_encoder, make_audio_encoder
from pipeline.models.image_processor import load_image_encoder, make_image_encoder
from pipeline.models.tokenizer import load_tokenizer, make_tokenizer
from pipeline.tasks.base import Column
from pipeline.tasks.processor import Processor

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json")


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
    kinds = {column.kind for column in columns}
    has_tokens = bool(kinds & {"text", "messages"}) and model.tokenizer.kind != "none"
    return Processor(
        text=make_tokenizer(model, root=root, train_texts=train_texts) if has_tokens else None,
        audio=make_audio_encoder(model, root=root) if "audio" in kinds else None,
        image=make_image_encoder(model, root=root) if "image" in kinds else None,
    )


def save_processor(processor: Processor, directory: Path) -> None:
    """Writes the processor's files, in the Hugging Face layout, into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    if processor.text is not None:
        processor.text.save_pretrained(str(directory))
    if processor.audio is not None:
        processor.audio.save(directory)
    if processor.image is not None:
        processor.image.save(directory)


def load_processor(directory: Path) -> Processor:
    """Reads what `save_processor` wrote, or a checkpoint's own.

    Raises:
        CheckpointError: If files are damaged.
    """
    has_tokens = any((directory / name).is_file() for name in _TOKENIZER_FILES)
    audio = load_audio_encoder(directory)
    image = None if audio is not None else load_image_encoder(directory)
    needs_text = has_tokens or (audio is None and image is None)
    return Processor(
        text=load_tokenizer(directory) if needs_text else None, audio=audio, image=image
    )
