"""What turns inputs into numbers, kept beside the dataset and the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from pipeline.audio.encoders import AudioEncoder


@dataclass(frozen=True)
class Processor:
    """Encodes what tasks read.

    Attributes:
        text: The tokenizer; None where a task has no text.
        audio: What makes features of recordings; None where a task has none.
    """

    text: PreTrainedTokenizerFast | None = None
    audio: AudioEncoder | None = None

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
    def pad_token_id(self) -> int:
        """Fills `input_ids`; 0 where there is no text."""
        return 0 if self.text is None else int(self.text.pad_token_id)

    @property
    def identity(self) -> str:
        """All that determines what it makes of an input."""
        text = "" if self.text is None else self.text.backend_tokenizer.to_str()
        return text if self.audio is None else text + self.audio.identity

    @property
    def num_special_tokens(self) -> int:
        """Tokens that are added to each text."""
        return 0 if self.text is None else int(self.text.num_special_tokens_to_add())
