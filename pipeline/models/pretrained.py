"""Loads a proved directory of safetensors as a model; nothing but its head may be new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import CheckpointError
from pipeline.models.locate import read_model_config

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from pipeline.tasks.base import Head

_DROPOUTS = (
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_pdrop",
    "dropout",
    "embd_pdrop",
    "hidden_dropout_prob",
    "resid_pdrop",
    "seq_classif_dropout",
)
"""What transformers' models call their dropout probabilities; layer-drop is another thing."""


_AUTO_CLASSES: dict[Head, str] = {
    "sequence_classification": "AutoModelForSequenceClassification",
    "token_classification": "AutoModelForTokenClassification",
    "causal_lm": "AutoModelForCausalLM",
    "masked_lm": "AutoModelForMaskedLM",
    "seq2seq_lm": "AutoModelForSeq2SeqLM",
    "ctc": "AutoModelForCTC",
    "speech_seq2seq": "AutoModelForSpeechSeq2Seq",
    "audio_classification": "AutoModelForAudioClassification",
    "image_classification": "AutoModelForImageClassification",
}


HEADS: tuple[Head, ...] = tuple(_AUTO_CLASSES)
"""All heads, in an order in which a class that serves two is found under the first."""


def auto_class(head: Head) -> Any:
    """Transformers' Auto class for a head; our own architectures are registered with it."""
    import transformers

    import pipeline.models.registration  # noqa: F401

    return getattr(transformers, _AUTO_CLASSES[head])


def model_class(config: PreTrainedConfig, head: Head) -> Any:
    """The concrete class that an Auto class makes for a config.

    Raises:
        CheckpointError: If transformers has no such head for this kind of model.
    """
    found = registered_class(config, head)
    if found is None:
        raise CheckpointError(
            f"transformers has no {head.replace('_', ' ')} model of type {config.model_type}",
            remedy="choose another checkpoint, for example model=minilm",
        )
    return found


def registered_class(config: PreTrainedConfig, head: Head) -> Any:
    """The concrete class for a config and a head, None where there is none."""
    try:
        return auto_class(head)._model_mapping[type(config)]
    except KeyError:
        return None


def override_dropout(config: PreTrainedConfig, dropout: float | None) -> None:
    """Sets every dropout probability of a config, whatever its name; None changes nothing."""
    if dropout is None:
        return
    for name in _DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, dropout)
    config.classifier_dropout = dropout


def read_config(directory: Path, entries: Mapping[str, Any]) -> PreTrainedConfig:
    """The typed config of a checkpoint with some entries replaced.

    Raises:
        CheckpointError: If its type is unknown or needs remote code, or a value is invalid.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import CONFIG_MAPPING, AutoConfig

    import pipeline.models.registration  # noqa: F401

    path = directory / "config.json"
    raw = read_model_config(directory)
    if raw["model_type"] not in CONFIG_MAPPING:
        why = (
            "runs Python code of its own (auto_map), and remote code is never run"
            if "auto_map" in raw
            else "is unknown to the installed transformers"
        )
        raise CheckpointError(
            f"{path}: model_type {raw['model_type']!r} {why}",
            remedy="choose a checkpoint of an architecture that transformers has, for example bert",
        )
    try:
        return AutoConfig.from_pretrained(  # type: ignore[no-any-return]
            str(directory), local_files_only=True, trust_remote_code=False, **entries
        )
    except (ValueError, TypeError, KeyError, OSError, StrictDataclassError) as error:
        raise CheckpointError(
            f"{path} is not a valid config: {first_line(error)}",
            remedy="fetch the checkpoint again or correct that entry",
        ) from error


def load_pretrained(
    directory: Path,
    head: Head,
    *,
    attention: str | None = None,
    dropout: float | None = None,
    pad_token_id: int | None = None,
    config: Mapping[str, Any],
    allow_new_head: bool = True,
) -> PreTrainedModel:
    """Loads a model in float32, in evaluation mode.

    Args:
        directory: A checkpoint's directory whose weights were checked.
        head: Which of transformers' Auto classes.
        attention: Attention implementation; None leaves the choice to transformers. An architecture
            without attention ignores it.
        dropout: Probability in place of the checkpoint's own.
        pad_token_id: The tokenizer's padding id; by default the config's own, or its end of text.
        config: Entries of the model's config.
        allow_new_head: Whether the classifier (and the pooler below it) may be newly initialised.

    Raises:
        CheckpointError: If the weights do not fit, or would leave a part of the body random.
    """
    import torch
    from safetensors import SafetensorError

    settings = read_config(directory, config)
    override_dropout(settings, dropout)
    if pad_token_id is not None:
        settings.pad_token_id = pad_token_id
    elif getattr(settings, "pad_token_id", None) is None:
        settings.pad_token_id = getattr(settings, "eos_token_id", None)
    chosen = model_class(settings, head)
    try:
        with quiet_transformers():
            model, info = chosen.from_pretrained(
                str(directory),
                config=settings,
                dtype=torch.float32,
                attn_implementation=attention if chosen._supports_sdpa else "eager",
                use_safetensors=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except (RuntimeError, ValueError, TypeError, KeyError, OSError, SafetensorError) as error:
        raise CheckpointError(
            f"the weights in {directory} do not load as {chosen.__name__}: {first_line(error)}",
            remedy="fetch or train the checkpoint again, weights and config.json together",
        ) from error
    _check_complete(model, info, directory, allow_new_head=allow_new_head)
    return model.eval()  # type: ignore[no-any-return]


def first_line(error: Exception) -> str:
    """The first line of an error's text, or its type where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silences transformers' reports and progress bars; what matters is checked and raised."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _check_complete(
    model: PreTrainedModel, info: Mapping[str, Any], directory: Path, *, allow_new_head: bool
) -> None:
    """Refuses weights that leave more than a head at random."""
    body = f"{model.base_model_prefix}."
    pooler = f"{body}pooler."

    def refused(key: str) -> bool:
        return not allow_new_head or (key.startswith(body) and not key.startswith(pooler))

    shapes = sorted(
        f"{key} is {list(found)} in the file and {list(wanted)} in the model"
        for key, found, wanted in info["mismatched_keys"]
        if refused(key)
    )
    if shapes:
        raise CheckpointError(
            f"the weights in {directory} do not fit its config.json: {shapes[0]}"
            + (f", and {len(shapes) - 1} more" if len(shapes) > 1 else ""),
            remedy="take weights and config.json from the same checkpoint",
        )
    missing = sorted(key for key in info["missing_keys"] if refused(key))
    if missing:
        raise CheckpointError(
            f"the weights in {directory} lack {len(missing)} tensors of {type(model).__name__}, "
            f"such as {missing[0]}, which would stay random",
            remedy="choose the checkpoint of the whole model, of the architecture in config.json",
        )
