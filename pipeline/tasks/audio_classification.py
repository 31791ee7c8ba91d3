"""Audio classification: one label for a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy.typing as npt
import pyarrow as pa

from pipeline.audio.augmentation import AudioAugmentation
from pipeline.config.base import Section
from pipeline.tasks.attached import Attached
from pipeline.tasks.audio_inputs import (
    AUDIO,
    INPUTS,
    audio_export,
    augment_audio,
    collate_audio,
    encode_audio,
)
from pipeline.tasks.base import LABEL, Batch, Column, ExportSpec, Head
from pipeline.tasks.columns import input_columns, require_columns
from pipeline.tasks.text_classification import Options as LabelOptions
from pipeline.tasks.text_classification import TextClassification

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.tasks.processor import Processor


class Options(LabelOptions):
    """What a user may choose."""

    augmentation: AudioAugmentation = AudioAugmentation()
    """How recordings are changed in training."""


class AudioClassification(Attached, TextClassification):
    """One label for each recording; losses, decisions and metrics are those of texts."""

    Options: ClassVar[type[Section]] = Options
    name: ClassVar[str] = "audio_classification"
    columns: tuple[Column, ...] = (AUDIO, LABEL)
    model_inputs: ClassVar[tuple[str, ...]] = (*INPUTS, "attention_mask")
    head: ClassVar[Head] = "audio_classification"

    def __init__(self, options: Section) -> None:
        super().__init__(options)
        assert isinstance(options, Options)
        self._augmentation = options.augmentation

    def encode_inputs(self, rows: pa.Table, processor: Processor, max_length: int) -> pa.Table:
        """Features of the recordings."""
        require_columns(rows, input_columns(self.columns), needed_by=self.name)
        return encode_audio(rows["audio"], processor.audio_encoder, max_length=max_length)

    def collate_inputs(
        self,
        rows: pa.Table,
        pad_token_id: int,  # noqa: ARG002
        pad_to_multiple_of: int,
    ) -> dict[str, npt.NDArray[Any]]:
        """The model's inputs, and `num_steps`."""
        return collate_audio(rows, self.processor.audio_encoder, pad_to_multiple_of)

    def augment(self, batch: Batch, seed: int) -> Batch:
        """Changes speed, adds noise and hides stretches of the recordings."""
        return augment_audio(batch, self.processor.audio_encoder, self._augmentation, seed)

    def export_spec(self, model: PreTrainedModel) -> ExportSpec:  # noqa: ARG002
        """Features or samples in, logits out."""
        return audio_export(self.processor.audio_encoder)
