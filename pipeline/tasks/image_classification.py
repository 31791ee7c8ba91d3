"""Image classification: one label for a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from pipeline.config.base import Section
from pipeline.images.augmentation import ImageAugmentation, augmented, mixing
from pipeline.metrics.top_k import top_k_accuracy
from pipeline.tasks.attached import Attached
from pipeline.tasks.base import (
    LABEL,
    Batch,
    Column,
    ExportSpec,
    FloatArray,
    Head,
    IntArray,
    MetricSpec,
    Tensors,
)
from pipeline.tasks.columns import input_columns, label_ids, list_values, require_columns
from pipeline.tasks.image_inputs import IMAGE, collate_images, encode_images, image_export
from pipeline.tasks.text_classification import Options as LabelOptions
from pipeline.tasks.text_classification import TextClassification

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from pipeline.tasks.processor import Processor

MIXED_LABELS, SHARE = "mixed_labels", "mixed_share"
"""In a mixed batch each picture's second label, and the share of the first, `[batch]`."""


class Options(LabelOptions):
    """What a user may choose."""

    top_k: int = Field(default=3, ge=2)
    """Labels among which the right one may be for top-k accuracy; with as few labels or fewer it is
    not defined."""
    augmentation: ImageAugmentation = ImageAugmentation()
    """How pictures are changed in training."""


class ImageClassification(Attached, TextClassification):
    """One label for each picture; losses, decisions and metrics are those of texts, and top-k."""

    Options: ClassVar[type[Section]] = Options
    name: ClassVar[str] = "image_classification"
    columns: tuple[Column, ...] = (IMAGE, LABEL)
    model_inputs: ClassVar[tuple[str, ...]] = ("pixel_values",)
    head: ClassVar[Head] = "image_classification"

    def __init__(self, options: Section) -> None:
        super().__init__(options)
        assert isinstance(options, Options)
        self._top_k = options.top_k
        self._augmentation = options.augmentation
        self.metric_specs = (
            *TextClassification.metric_specs,
            MetricSpec(f"top_{self._top_k}_accuracy"),
        )

    def encode_inputs(
        self,
        rows: pa.Table,
        processor: Processor,
        max_length: int,  # noqa: ARG002
    ) -> pa.Table:
        """Pixels of the pictures."""
        require_columns(rows, input_columns(self.columns), needed_by=self.name)
        return encode_images(rows["image"], processor.image_encoder)

    def collate_inputs(
        self,
        rows: pa.Table,
        pad_token_id: int,  # noqa: ARG002
        pad_to_multiple_of: int,  # noqa: ARG002
    ) -> dict[str, npt.NDArray[Any]]:
        """`pixel_values`, `[batch, 3, height, width]`."""
        return collate_images(rows, self.processor.image_encoder)

    def augment(self, batch: Batch, seed: int) -> Batch:
        """Moves, mirrors and recolours pictures, and mixes them if the options say so."""
        encoder, options = self.processor.image_encoder, self._augmentation
        values = augmented(batch["pixel_values"], options, seed, mean=encoder.mean, std=encoder.std)
        if not options.mixup:
            return {**batch, "pixel_values": values}
        labels = batch["labels"]
        share, partners = mixing(len(labels), options.mixup, seed)
        partners = partners.to(labels.device)
        return {
            **batch,
            "pixel_values": share * values + (1 - share) * values[partners],
            MIXED_LABELS: labels[partners],
            SHARE: values.new_full((len(labels),), share),
        }

    def loss(self, outputs: Tensors, batch: Batch) -> Tensor:
        """As of texts; of mixed pictures the mean of both labels' losses by their shares."""
        loss = super().loss(outputs, batch)
        if MIXED_LABELS not in batch:
            return loss
        other = super().loss(outputs, {**batch, "labels": batch[MIXED_LABELS]})
        share = batch[SHARE][0]
        return share * loss + (1 - share) * other

    def metrics(
        self,
        predictions: pa.Table,
        rows: pa.Table,
        label_names: Sequence[str],
        weights: IntArray | None = None,
    ) -> dict[str, FloatArray]:
        """Metrics of single-label classification, and top-k accuracy."""
        found = super().metrics(predictions, rows, label_names, weights)
        scores, _ = list_values(predictions["scores"])
        found[f"top_{self._top_k}_accuracy"] = top_k_accuracy(
            label_ids(rows, label_names),
            scores.reshape(-1, len(label_names)),
            self._top_k,
            weights,
        )
        return found

    def export_spec(self, model: PreTrainedModel) -> ExportSpec:  # noqa: ARG002
        """Pixels in, logits out."""
        return image_export(self.processor.image_encoder)
