"""Speech recognition by connectionist temporal classification: a recording's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from pipeline.config.base import Section
from pipeline.errors import DataError
from pipeline.tasks.audio_inputs import (
    INPUTS,
    audio_export,
    encode_audio,
    row_steps,
)
from pipeline.tasks.base import (
    IGNORE_INDEX,
    Arrays,
    Batch,
    ExportSpec,
    ModelSource,
    Tensors,
)
from pipeline.tasks.columns import STEPS, input_columns, require_columns
from pipeline.tasks.ctc_decoding import BLANK, beam_search, best_path
from pipeline.tasks.transcription import Transcription, TranscriptionOptions
from pipeline.tasks.transcripts import UnitKind, join, learn_units, spell

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from pipeline.tasks.processor import Processor

BLANK_NAME = "<blank>"
UNKNOWN = "unknown_characters"
"""Encoded column: what of a transcript has no unit and is left out of what is trained on."""


class Options(TranscriptionOptions):
    """What a user may choose."""

    units: UnitKind = "characters"
    """What the model writes: characters, whole words of the train split, or pieces of words."""
    num_subwords: int = Field(default=500, ge=16)
    """Most pieces (units=subwords)."""
    decoding: Literal["greedy", "beam"] = "greedy"
    """The likeliest path, or the likeliest text over all paths, as far as a beam sees."""
    beam_width: int = Field(default=16, ge=2, le=256)
    """Beginnings of texts that a beam keeps."""


class SpeechRecognitionCtc(Transcription):
    """A transcript for each recording, from a CTC model (Graves et al., 2006).

    The names of the model's outputs are the blank and the units that the train split's transcripts
    are spelled in. The loss of a batch is the negative log-likelihood of all its transcripts over
    all units in them, so that each unit counts alike, whatever batch it is in. A transcript with
    more units than the model has steps has probability 0: it costs nothing and teaches nothing.
    """

    Options: ClassVar[type[Section]] = Options
    name: ClassVar[str] = "speech_recognition_ctc"
    model_inputs: ClassVar[tuple[str, ...]] = (*INPUTS, "attention_mask")

    def __init__(self, options: Section) -> None:
        assert isinstance(options, Options)
        super().__init__(options)
        self._options = options
        self._subsampling: tuple[tuple[int, int, int], ...] = ()

    def label_names(self, train: pa.Table, configured: Sequence[str] | None) -> tuple[str, ...]:
        """The blank and the units of the train split's transcripts, or those configured."""
        require_columns(train, self.columns, needed_by=self.name)
        if configured is not None:
            return (BLANK_NAME, *(unit for unit in configured if unit != BLANK_NAME))
        texts = self.normalised(train)
        units = learn_units(texts, self._options.units, self._options.num_subwords)
        if not units:
            raise DataError(
                "the train split's transcripts hold no letter that counts",
                remedy="check data.columns.transcript and task.options.normalisation",
            )
        return (BLANK_NAME, *units)

    def encode(
        self,
        rows: pa.Table,
        processor: Processor,
        label_names: Sequence[str],
        *,
        max_length: int,
    ) -> pa.Table:
        """Adds features, and where there is a transcript `labels` and `unknown_characters`."""
        require_columns(rows, input_columns(self.columns), needed_by=self.name)
        encoded = encode_audio(rows["audio"], processor.audio_encoder, max_length=max_length)
        if "transcript" not in rows.column_names:
            return encoded
        ids = {name: number for number, name in enumerate(label_names) if number != BLANK}
        spelled = [spell(text, self._options.units, ids) for text in self.normalised(rows)]
        labels = pa.array([known for known, _ in spelled], pa.list_(pa.int32()))
        unknown = pa.array(["".join(sorted(set(other))) for _, other in spelled], pa.string())
        return encoded.append_column("labels", labels).append_column(UNKNOWN, unknown)

    def build_model(self, source: ModelSource, label_names: Sequence[str]) -> PreTrainedModel:
        """A CTC model with one output for the blank and for each unit."""
        model = source.load_model(
            "ctc",
            vocab_size=len(label_names),
            id2label=dict(enumerate(label_names)),
            label2id={name: number for number, name in enumerate(label_names)},
            pad_token_id=BLANK,
        )
        self._subsampling = _subsampling(model.config)
        return model

    def state(self) -> dict[str, Any]:
        """How many steps the model makes of a recording, and what of a transcript counts."""
        return {
            "subsampling": [list(layer) for layer in self._subsampling],
            "normalisation": self._options.normalisation.model_dump(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes what `state` gave."""
        self._subsampling = tuple((int(k), int(s), int(p)) for k, s, p in state["subsampling"])

    def num_targets(self, batch: Batch) -> Tensor:
        """Units of all transcripts."""
        return (batch["labels"] != IGNORE_INDEX).sum()

    def loss(self, outputs: Tensors, batch: Batch) -> Tensor:
        """Negative log-likelihood of all transcripts over all their units."""
        return self._losses(outputs, batch).sum() / self.num_targets(batch).clamp(min=1)

    def example_losses(self, outputs: Tensors, batch: Batch) -> Tensor:
        """Negative log-likelihood of each transcript over its units, `[batch]`."""
        units = (batch["labels"] != IGNORE_INDEX).sum(dim=1).clamp(min=1)
        return (self._losses(outputs, batch) / units).detach()

    def _losses(self, outputs: Tensors, batch: Batch) -> Tensor:
        """The negative log-likelihood of each transcript, `[batch]`, 0 without one."""
        from torch.nn import functional

        labels = batch["labels"]
        known = labels != IGNORE_INDEX
        scores = functional.log_softmax(outputs["logits"].float(), dim=-1)
        steps = _shortened(batch[STEPS], self._subsampling).clamp(max=scores.shape[1])
        losses = functional.ctc_loss(
            scores.transpose(0, 1),
            labels.clamp(min=0),
            steps,
            known.sum(dim=1),
            blank=BLANK,
            reduction="none",
            zero_infinity=True,
        )
        return losses * known.any(dim=1)

    def decode(self, outputs: Arrays, rows: pa.Table, label_names: Sequence[str]) -> pa.Table:
        """Transcripts.

        Returns:
            `prediction` (string).
        """
        logits = outputs["logits"]
        steps = _shortened(row_steps(rows, self.audio_encoder), self._subsampling)
        texts = []
        for row, length in zip(logits, np.minimum(steps, logits.shape[1]).tolist(), strict=True):
            if self._options.decoding == "beam":
                ids = beam_search(row[:length], self._options.beam_width)
            else:
                ids = best_path(row[:length])
            texts.append(join([label_names[one] for one in ids], self._options.units))
        return pa.table({"prediction": pa.array(texts, pa.string())})

    def export_spec(self, model: PreTrainedModel) -> ExportSpec:  # noqa: ARG002
        """Features or samples in, logits out."""
        return audio_export(self.audio_encoder)


def _subsampling(config: Any) -> tuple[tuple[int, int, int], ...]:
    """Kernel, stride and padding in time of each layer that shortens a model's input."""
    if hasattr(config, "subsampling"):
        return tuple((int(k), int(s), int(p)) for k, s, p in config.subsampling)
    layers = [
        (int(kernel), int(stride), 0)
        for kernel, stride in zip(
            getattr(config, "conv_kernel", ()), getattr(config, "conv_stride", ()), strict=True
        )
    ]
    if getattr(config, "add_adapter", False):
        stride = int(config.adapter_stride)
        # wav2vec2-BERT's adapter pads by half its kernel, which it has too; wav2vec 2.0's not.
        kernel = 1 if layers else int(config.adapter_kernel_size)
        layers += [(kernel, stride, 0 if layers else kernel // 2)] * int(config.num_adapter_layers)
    return tuple(layers)


def _shortened(steps: Any, layers: Sequence[tuple[int, int, int]]) -> Any:
    """What layers leave of a time axis; an array or tensor of lengths to one of the same kind."""
    for kernel, stride, padding in layers:
        steps = (steps + 2 * padding - kernel) // stride + 1
    return steps.clip(min=1)
