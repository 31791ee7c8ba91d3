"""Speech recognition by an encoder that hears and a decoder that writes, such as Whisper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.base import Count, Section
from pipeline.errors import ConfigError, Problem
from pipeline.tasks.audio_inputs import INPUTS, audio_export, encode_audio
from pipeline.tasks.base import ExportSpec, ModelSource
from pipeline.tasks.columns import input_columns, require_columns
from pipeline.tasks.encoder_decoder import EncoderDecoder, WritingOptions
from pipeline.tasks.encoder_decoder_export import encoder_decoder_spec
from pipeline.tasks.generation import Search, search_of
from pipeline.tasks.text_to_text import encode_targets
from pipeline.tasks.transcription import TRANSCRIPT, Transcription, TranscriptionOptions

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from pipeline.tasks.processor import Processor

LABELS_TYPE = pa.list_(pa.int32())
_OPTIONS = "task.options"


class Options(TranscriptionOptions, WritingOptions):
    """What a user may choose."""

    language: str | None = None
    """What is spoken, by name or code (`english`, `de`), for checkpoints of many languages."""
    writes: Literal["transcript", "translation"] = "transcript"
    """What a checkpoint of many languages is told to write: the words, or their English."""
    target_max_length: Count = 256
    """Longest transcript in tokens."""


class SpeechRecognitionSeq2Seq(Transcription, EncoderDecoder):
    """A transcript for each recording, from an encoder-decoder (Radford et al., 2022).

    The model hears a window of a fixed length, `model.max_length` frames at most. A Whisper
    checkpoint writes a few tokens first that say what is spoken and what is to be written; they are
    given to it, in training and when it writes.
    """

    Options: ClassVar[type[Section]] = Options
    name: ClassVar[str] = "speech_recognition_seq2seq"
    model_inputs: ClassVar[tuple[str, ...]] = INPUTS

    def __init__(self, options: Section) -> None:
        assert isinstance(options, Options)
        Transcription.__init__(self, options)
        EncoderDecoder.__init__(self, options)
        self._options = options

    def encode(
        self,
        rows: pa.Table,
        processor: Processor,
        label_names: Sequence[str],  # noqa: ARG002
        *,
        max_length: int,
    ) -> pa.Table:
        """Adds features, and where there is a transcript `labels` and `num_target_tokens`."""
        require_columns(rows, input_columns(self.columns), needed_by=self.name)
        encoded = encode_audio(rows["audio"], processor.audio_encoder, max_length=max_length)
        if TRANSCRIPT.name not in rows.column_names:
            return encoded
        # The first token of a prompt is the decoder's start: what it reads before the first label.
        start = 1 if self._prompt(processor.tokenizer) else 0
        targets = encode_targets(
            processor,
            rows[TRANSCRIPT.name],
            language=None,
            max_length=self._options.target_max_length + start,
        )
        labels = pa.array([ids[start:] for ids in targets["labels"].to_pylist()], LABELS_TYPE)
        count = pc.subtract(targets["num_target_tokens"], pa.scalar(start, pa.int32()))
        return encoded.append_column("labels", labels).append_column("num_target_tokens", count)

    def _prompt(self, tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
        """What Whisper's tokenizer puts before a text; nothing of any other tokenizer.

        Raises:
            ConfigError: If the tokenizer knows no languages, or not this one.
        """
        given: Any = tokenizer
        language = self._options.language
        if not hasattr(given, "set_prefix_tokens"):
            if language is not None:
                why = "this model's tokenizer has no tokens for languages"
                raise _wrong("language", why, "leave it out")
            return ()
        written = {"transcript": "transcribe", "translation": "translate"}[self._options.writes]
        try:
            given.set_prefix_tokens(
                language=language,
                task=written if language is not None else None,
                predict_timestamps=False,
            )
        except ValueError as error:
            raise _wrong("language", str(error), "give a name or code of that list") from error
        return tuple(given.prefix_tokens)

    def build_model(
        self,
        source: ModelSource,
        label_names: Sequence[str],  # noqa: ARG002
    ) -> PreTrainedModel:
        """An encoder-decoder model that `transformers` alone generates with in the same way.

        Raises:
            ConfigError: If the model hears recordings of any length, writes fewer tokens than
                transcripts may have, or writes many languages and none is chosen.
        """
        model = source.load_model("speech_seq2seq")
        config: Any = model.config
        own: Any = model.generation_config
        if None in self.audio_encoder.shape:
            raise ConfigError(
                [
                    Problem(
                        "model",
                        f"{config.model_type} hears recordings of any length, and this task's "
                        "models hear a window of a fixed length",
                        remedy="choose Whisper: a checkpoint of it, or model=whisper_scratch",
                    )
                ]
            )
        most = config.max_target_positions
        if self._options.target_max_length > most:
            raise _wrong(
                "target_max_length",
                f"{self._options.target_max_length} is more than the {most} tokens that this model "
                "writes",
                f"set it to {most} or less",
            )
        if getattr(own, "is_multilingual", False):
            if self._options.language is None:
                raise _wrong(
                    "language",
                    "this checkpoint writes many languages, and none is chosen",
                    "give the language that is spoken, such as english",
                )
            own.language = self._options.language
            own.task = "transcribe" if self._options.writes == "transcript" else "translate"
            own.forced_decoder_ids = None
        self.write_alike(model)
        return model

    def search(self, model: PreTrainedModel) -> Search:
        """How texts are searched for."""
        return search_of(
            model,
            self._options.generation,
            pad_token_id=self.processor.pad_token_id,
            prompt=self._prompt(self.processor.tokenizer),
        )

    def export_spec(self, model: PreTrainedModel) -> ExportSpec:
        """A graph of the encoder, one of the decoder, and the search."""
        return encoder_decoder_spec(model, self.search(model), audio_export(self.audio_encoder))


def _wrong(option: str, message: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(f"{_OPTIONS}.{option}", message, remedy=remedy)])
