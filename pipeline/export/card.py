"""The model card in the Hugging Face format: YAML front matter, then what readers need to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.data.store import DatasetInfo
from pipeline.export import card_text
from pipeline.export.report import ExportReport
from pipeline.manifest import Manifest
from pipeline.tasks.base import TEXT, Column
from pipeline.tasks.columns import length_unit

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard

PIPELINE_TAGS = {
    "SequenceClassification": "text-classification",
    "TokenClassification": "token-classification",
    "ImageClassification": "image-classification",
    "AudioClassification": "audio-classification",
    "CTC": "automatic-speech-recognition",
    "MaskedLM": "fill-mask",
    "MarianMTModel": "translation",
}
"""The hub's name for what a model does, by the end of its class's name."""

_METRIC_TYPES = {
    "f1_macro": "f1",
    "f1_micro": "f1",
    "f1_weighted": "f1",
    "mcc": "matthews_correlation",
}
"""The hub's names of metrics that have another name here."""


@dataclass(frozen=True)
class CardFacts:
    """All figures and names of a card.

    Attributes:
        manifest: What made the model.
        dataset: What it was trained on.
        dataset_id: The data set's hub id, or its name here.
        base_model: Hub id of the pretrained model; None where it is unknown or there was none.
        licence: The model's licence as the hub names it; None where it was not stated.
        model_config: The model's `config.json`.
        hyperparameters: Settings of training by dotted name.
        cleaning: Names of the cleaning steps, in order.
        metrics: `metrics.json` of the evaluation; undefined metrics are absent.
        per_class: The lines of the evaluation's `per_class.csv`; none where there is no such file.
        metric_names: Metrics that any label set has, the most important first.
        confidence: Coverage of the intervals.
        report: Parity, latency and sizes of the exported files.
        inputs: The columns that the model is given.
    """

    manifest: Manifest
    dataset: DatasetInfo
    dataset_id: str
    base_model: str | None
    licence: str | None
    model_config: Mapping[str, Any]
    hyperparameters: Mapping[str, str]
    cleaning: tuple[str, ...]
    metrics: Mapping[str, Any]
    per_class: Sequence[Mapping[str, str]]
    metric_names: tuple[str, ...]
    confidence: float
    report: ExportReport
    inputs: tuple[Column, ...] = (TEXT,)

    @property
    def unit(self) -> str:
        """What lengths are counted in."""
        return length_unit(one.kind for one in self.inputs)

    @property
    def pipeline_tag(self) -> str | None:
        """What the model does in the hub's terms; None for a head that it has no name for."""
        architecture = str((self.model_config.get("architectures") or [""])[0])
        return PIPELINE_TAGS.get(architecture.rpartition("For")[2])

    @property
    def is_own_architecture(self) -> bool:
        """Whether the model is of a class that this pipeline registers with transformers."""
        return str(self.model_config["model_type"]).startswith("pipeline_")

    @property
    def runs_in_transformers(self) -> bool:
        """Whether transformers' pipelines find all that they need.

        They miss the units of a CTC model, which are no tokenizer's, and features of sound that are
        our own.
        """
        if self.pipeline_tag == "audio-classification":
            return not self.is_own_architecture
        return self.pipeline_tag not in {None, "automatic-speech-recognition"}


def build_card(facts: CardFacts) -> ModelCard:
    """Makes the card; every figure in it comes from the facts."""
    from huggingface_hub import ModelCard, ModelCardData

    results = _results(facts)
    tags = [facts.manifest.task.rpartition(":")[2], str(facts.model_config["model_type"])]
    if facts.report.models:
        tags.append("onnx")
    data = ModelCardData(
        language=facts.dataset.language,
        license=facts.licence or "unknown",
        library_name="transformers",
        base_model=facts.base_model,
        pipeline_tag=facts.pipeline_tag,
        tags=list(dict.fromkeys(tags)),
        datasets=[facts.dataset_id],
        metrics=sorted({result.metric_type for result in results}),
        model_name=facts.manifest.experiment,
        eval_results=results,
    )
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{card_text.body(facts)}")


def _results(facts: CardFacts) -> list[EvalResult]:
    """The test split's metrics as the hub's model index holds them."""
    from huggingface_hub import EvalResult

    measured = facts.metrics["test"]
    return [
        EvalResult(
            task_type=facts.pipeline_tag or facts.manifest.task,
            dataset_type=facts.dataset_id,
            dataset_name=facts.dataset.name,
            dataset_split="test",
            metric_type=_METRIC_TYPES.get(name, name),
            metric_name=name,
            metric_value=measured[name]["value"],
            metric_args={
                "low": measured[name]["low"],
                "high": measured[name]["high"],
                "confidence": facts.confidence,
            },
        )
        for name in facts.metric_names
        if name in measured
    ]
