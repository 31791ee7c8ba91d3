"""What makes pixels of pictures: of the size that the config says, or as a checkpoint does."""

from __future__ import annotations

from pathlib import Path

from pipeline.config.model import ImageConfig, ModelConfig
from pipeline.errors import CheckpointError, ConfigError, Problem
from pipeline.images.encoder import FILE_NAME, ImageEncoder
from pipeline.models.locate import locate, read_json_object

_KINDS = ("image_processor_type", "feature_extractor_type")
_SOUND = ("feature_size", "sampling_rate")
"""Entries of a file of the same name that is about sound."""


def make_image_encoder(model: ModelConfig, *, root: Path) -> ImageEncoder:
    """Makes what a model's section describes.

    Raises:
        CheckpointError: If the checkpoint does not say what it makes of pictures.
        ConfigError: If settings are given for a checkpoint, which brings its own.
    """
    if model.checkpoint.source == "scratch":
        settings = model.image or ImageConfig()
        return ImageEncoder((settings.height, settings.width), mean=settings.mean, std=settings.std)
    if model.image is not None:
        raise ConfigError(
            [
                Problem(
                    "model.image",
                    f"the checkpoint {model.checkpoint.location} was trained on pictures of a size "
                    "of its own, which its preprocessor_config.json describes",
                    remedy="leave model.image out",
                )
            ]
        )
    directory = locate(model.checkpoint, root=root, weights=False)
    found = load_image_encoder(directory)
    if found is None:
        raise CheckpointError(
            f"{directory} has no {FILE_NAME} of pictures, which says what size they have to be",
            remedy="choose a checkpoint that reads pictures, for example model=vit_base",
        )
    return found


def load_image_encoder(directory: Path) -> ImageEncoder | None:
    """Reads the encoder of a directory; None where it has none.

    Raises:
        CheckpointError: If its settings cannot be used.
    """
    path = directory / FILE_NAME
    if not path.is_file():
        return None
    settings = read_json_object(path)
    if any(name in settings for name in _SOUND) or not (
        any(name in settings for name in _KINDS) or "image_mean" in settings
    ):
        return None
    try:
        return ImageEncoder.of(settings)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be used: {error}",
            remedy="fetch the checkpoint again, or choose another",
        ) from error
