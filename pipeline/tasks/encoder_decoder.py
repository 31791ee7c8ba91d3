"""Tasks whose model reads with an encoder and writes with a decoder, whatever it reads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from pipeline.config.base import Probability, Section
from pipeline.tasks.attached import Attached
from pipeline.tasks.base import IGNORE_INDEX, Arrays, Batch, Tensors
from pipeline.tasks.columns import STEPS
from pipeline.tasks.forward import known_inputs
from pipeline.tasks.generation import SEQUENCES, GenerationOptions, Search, generate, texts_of
from pipeline.tasks.token_losses import mean_of_rows, token_losses

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

ENCODED = "encoder_last_hidden_state"
"""The encoder's result, `[batch, source, width]`."""


class WritingOptions(Section):
    """What a user may choose for any of these tasks."""

    label_smoothing: Probability = 0.0
    """Share of each target token that is spread evenly over the vocabulary."""
    generation: GenerationOptions = GenerationOptions()
    """How texts are written."""


class EncoderDecoder(Attached):
    """Reads once and writes token by token, trained on each token after those before it.

    `labels` `[batch, target]` are the target's tokens and its end.
    """

    generates: ClassVar[bool] = True

    def __init__(self, options: Section) -> None:
        assert isinstance(options, WritingOptions)
        self._writing = options

    @abstractmethod
    def search(self, model: PreTrainedModel) -> Search:
        """How texts are searched for with a model."""

    def write_alike(self, model: PreTrainedModel) -> None:
        """Lets `transformers` alone generate with a model in the same way."""
        options, own = self._writing.generation, model.generation_config
        assert own is not None
        own.num_beams = options.num_beams
        own.max_length, own.max_new_tokens = None, options.max_new_tokens
        own.no_repeat_ngram_size = options.no_repeat_ngram_size
        if options.num_beams > 1:
            own.length_penalty = options.length_penalty
            own.early_stopping = options.early_stopping

    def forward(self, model: Callable[..., Any], batch: Batch) -> Tensors:
        """Logits `[batch, target, vocabulary]` of the target, each token after those before it.

        Also what the encoder made of the source, so that it need not run again to generate.
        Nothing where there are no targets.
        """
        if "labels" not in batch:
            return {}
        found = model(
            **self._read(model, batch),
            decoder_input_ids=shifted(model, batch["labels"]),
            use_cache=False,
        )
        return {"logits": found.logits.float(), ENCODED: found.encoder_last_hidden_state}

    def _read(self, model: Any, batch: Batch) -> Batch:
        names = known_inputs(model, self.model_inputs)
        return {name: batch[name] for name in names if name in batch}

    def loss(self, outputs: Tensors, batch: Batch) -> Tensor:
        """Cross-entropy with smoothed labels; mean over target tokens."""
        from torch.nn import functional

        total = functional.cross_entropy(
            outputs["logits"].flatten(0, 1).float(),
            batch["labels"].flatten(),
            ignore_index=IGNORE_INDEX,
            label_smoothing=self._writing.label_smoothing,
            reduction="sum",
        )
        return total / self.num_targets(batch).clamp(min=1)

    def example_losses(self, outputs: Tensors, batch: Batch) -> Tensor:
        """Mean cross-entropy of each row's target tokens, in nats, `[batch]`."""
        losses = token_losses(outputs["logits"].detach(), batch["labels"])
        return mean_of_rows(losses, batch["labels"])

    def predict(self, model: PreTrainedModel, batch: Batch, outputs: Tensors) -> Tensors:
        """Writes a text for each row: `sequences`, see `pipeline.tasks.generation`."""
        inputs: dict[str, Any] = self._read(model, batch)
        if ENCODED in outputs:
            from transformers.modeling_outputs import BaseModelOutput

            inputs = {name: one for name, one in inputs.items() if name == "attention_mask"}
            inputs["encoder_outputs"] = BaseModelOutput(last_hidden_state=outputs[ENCODED])
        return {SEQUENCES: generate(model, inputs, self.search(model), source_lengths(batch))}

    def decode(
        self,
        outputs: Arrays,
        rows: pa.Table,  # noqa: ARG002
        label_names: Sequence[str],  # noqa: ARG002
    ) -> pa.Table:
        """The written texts: `prediction` (string), empty where nothing was written."""
        tokenizer: Any = self.processor.tokenizer
        texts = texts_of(outputs[SEQUENCES], tokenizer, (int(tokenizer.eos_token_id),))
        return pa.table({"prediction": pa.array(texts, pa.string())})


def shifted(model: Any, labels: Tensor) -> Tensor:
    """What a decoder has read when it is asked for each target token, `[batch, target]`."""
    own = getattr(model, "prepare_decoder_input_ids_from_labels", None)
    if own is not None:
        moved: Tensor = own(labels=labels)
        return moved
    config = model.config
    moved = labels.masked_fill(labels == IGNORE_INDEX, config.pad_token_id).roll(1, dims=1)
    moved[:, 0] = config.decoder_start_token_id
    return moved


def source_lengths(batch: Mapping[str, Any]) -> Any:
    """Tokens or steps that each row reads, `[batch]`; of tensors or arrays."""
    return batch["attention_mask"].sum(1) if "attention_mask" in batch else batch[STEPS]
