"""What tasks that write down speech share: a recording in, and how transcripts are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.audio.augmentation import AudioAugmentation
from pipeline.config.base import Section
from pipeline.metrics.transcripts import edit_counts, transcript_metrics, word_accuracy
from pipeline.tasks.attached import Attached
from pipeline.tasks.audio_inputs import AUDIO, augment_audio, collate_audio
from pipeline.tasks.base import (
    IGNORE_INDEX,
    Arrays,
    Batch,
    Column,
    FloatArray,
    IntArray,
    MetricSpec,
)
from pipeline.tasks.columns import pad_lists, require_columns
from pipeline.tasks.transcripts import Normalisation, normalise

if TYPE_CHECKING:
    from pipeline.audio.encoders import AudioEncoder

TRANSCRIPT = Column("transcript", "text", is_target=True)


class TranscriptionOptions(Section):
    """What a user may choose for any of these tasks."""

    normalisation: Normalisation = Normalisation()
    """What of a transcript does not count."""
    augmentation: AudioAugmentation = AudioAugmentation()
    """How recordings are changed in training."""


class Transcription(Attached):
    """A transcript for each recording, however the model finds it."""

    columns: tuple[Column, ...] = (AUDIO, TRANSCRIPT)

    primary_metric = MetricSpec("wer", higher_is_better=False)
    metric_specs = (
        MetricSpec("wer", higher_is_better=False),
        MetricSpec("cer", higher_is_better=False),
        MetricSpec("exact_match"),
        MetricSpec("substitution_rate", higher_is_better=False),
        MetricSpec("deletion_rate", higher_is_better=False),
        MetricSpec("insertion_rate", higher_is_better=False),
    )

    def __init__(self, options: Section) -> None:
        assert isinstance(options, TranscriptionOptions)
        self._shared = options

    @property
    def audio_encoder(self) -> AudioEncoder:
        """What makes features of recordings."""
        return self.processor.audio_encoder

    def normalised(self, rows: pa.Table) -> list[str]:
        """The references as they count."""
        return [
            normalise(one, self._shared.normalisation) for one in rows["transcript"].to_pylist()
        ]

    def collate(
        self,
        rows: pa.Table,
        *,
        pad_token_id: int,  # noqa: ARG002
        pad_to_multiple_of: int,
    ) -> Arrays:
        """The model's inputs, `num_steps`, and `labels` `[batch, units]` where known."""
        batch = collate_audio(rows, self.audio_encoder, pad_to_multiple_of)
        if "labels" in rows.column_names:
            batch["labels"], _ = pad_lists(rows["labels"], fill=IGNORE_INDEX, pad_to_multiple_of=1)
        return batch

    def augment(self, batch: Batch, seed: int) -> Batch:
        """Changes speed, adds noise and hides stretches of the recordings."""
        return augment_audio(batch, self.audio_encoder, self._shared.augmentation, seed)

    def metrics(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],  # noqa: ARG002
        weights: IntArray | None = None,
    ) -> dict[str, FloatArray]:
        """Error rates; see `transcript_metrics`."""
        return transcript_metrics(self._counts(predictions, rows), weights)

    def example_scores(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],  # noqa: ARG002
    ) -> FloatArray:
        """1 less the word error rate of each row, 0 at least, `[rows]`."""
        return word_accuracy(self._counts(predictions, rows))

    def _counts(self, predictions: pa.Table, rows: pa.Table) -> IntArray:
        require_columns(rows, (TRANSCRIPT,), needed_by=self.name)
        how = self._shared.normalisation
        heard = [normalise(text, how) for text in predictions["prediction"].to_pylist()]
        return edit_counts(self.normalised(rows), heard)
