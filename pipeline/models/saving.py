"""Writes and reads models in the Hugging Face layout: safetensors, config and tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import cannot_write
from pipeline.errors import CheckpointError
from pipeline.models.locate import check_weights, read_model_config
from pipeline.models.processor import save_processor
from pipeline.tasks.processor import Processor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.tasks.base import Head


def save_model(model: PreTrainedModel, processor: Processor, directory: Path) -> None:
    """Writes a model that `transformers` alone can load; the same weights give the same bytes.

    Args:
        model: The model; its config carries label names and problem type.
        processor: What encodes the model's inputs.
        directory: Where to; made if missing. Use `replace_directory` around it.

    Raises:
        EnvironmentProblem: If there is no permission or no space.
    """
    from safetensors import SafetensorError

    from pipeline.models.pretrained import quiet_transformers

    try:
        directory.mkdir(parents=True, exist_ok=True)
        with quiet_transformers():
            model.save_pretrained(str(directory))
        save_processor(processor, directory)
    except OSError as error:
        raise cannot_write(directory, error) from error
    except SafetensorError as error:
        raise cannot_write(directory, OSError(str(error))) from error


def load_saved_model(directory: Path, head: Head | None = None) -> PreTrainedModel:
    """Loads a trained model whole, in float32, in evaluation mode.

    Args:
        directory: What `save_model` wrote.
        head: Which of transformers' Auto classes; by default what config.json names.

    Raises:
        CheckpointError: If it is missing or damaged, or any weight would be new.
    """
    from pipeline.models.pretrained import load_pretrained

    check_weights(directory)
    return load_pretrained(
        directory, head or _saved_head(directory), config={}, allow_new_head=False
    )


def _saved_head(directory: Path) -> Head:
    """The head whose class config.json names in `architectures`."""
    from pipeline.models.pretrained import HEADS, read_config, registered_class

    config = read_config(directory, {})
    architectures = read_model_config(directory).get("architectures") or ["none"]
    for head in HEADS:
        known = registered_class(config, head)
        if known is not None and known.__name__ == architectures[0]:
            return head
    raise CheckpointError(
        f"{directory / 'config.json'}: architecture {architectures[0]} has no head of a task",
        remedy="name the directory of a model that this pipeline trained, such as outputs/model",
    )
