"""What turns inputs into numbers, kept beside the dataset and the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, Problem
from pipeline.tasks.batch_encoding import Segmenting

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from pipeline.audio.encoders import AudioEncoder
    from pipeline.images.encoder import ImageEncoder


@dataclass(frozen=True)
class Processor:
    """Encodes what tasks read.

    Attributes:
        text: The tokenizer; None where a task has no text.
        audio: What makes features of recordings; None where a task has none.
        image: What makes pixels of pictures; None where a task has none.
    """

    text: PreTrainedTokenizerFast | None = None
    audio: AudioEncoder | None = None
    image: ImageEncoder | None = None

    @property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The tokenizer.

        Raises:
            ConfigError: If there is none.
        """
        if self.text is None:
            raise ConfigError(
                [
                    Problem(
                        "model",
                        "this model has no tokenizer, and the task reads or writes text",
                        remedy="choose a model for text, or a task for what the model takes",
                    )
                ]
            )
        return self.text

    @property
    def audio_encoder(self) -> AudioEncoder:
        """What makes features of recordings.

        Raises:
            ConfigError: If there is none.
        """
        if self.audio is None:
            raise ConfigError(
                [
                    Problem(
                        "model",
                        "this model reads no sound, and the task reads recordings",
                        remedy="choose a model for sound, such as crnn_ctc or audio_cnn",
                    )
                ]
            )
        return self.audio

    @property
    def image_encoder(self) -> ImageEncoder:
        """What makes pixels of pictures.

        Raises:
            ConfigError: If there is none.
        """
        if self.image is None:
            raise ConfigError(
                [
                    Problem(
                        "model",
                        "this model sees no pictures, and the task reads some",
                        remedy="choose a model for pictures, such as resnet_small or vit_base",
                    )
                ]
            )
        return self.image

    @property
    def pad_token_id(self) -> int:
        """Fills `input_ids`; 0 where there is no text."""
        return 0 if self.text is None else int(self.text.pad_token_id)

    @property
    def identity(self) -> str:
        """All that determines what it makes of an input."""
        text = "" if self.text is None else self.text.backend_tokenizer.to_str()
        if isinstance(self.text, Segmenting):
            text += self.text.segmentation
        media = (one.identity for one in (self.audio, self.image) if one is not None)
        return text + "".join(media)

    @property
    def num_special_tokens(self) -> int:
        """Tokens that are added to each text."""
        return 0 if self.text is None else int(self.text.num_special_tokens_to_add())
