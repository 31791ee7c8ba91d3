"""The `model` section: weights or an architecture, and how its input is encoded."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.config.base import Count, Group, Positive, Probability, Section
from pipeline.config.data import Sha256

_TRACKED_MODEL = r"runs:/[^/@\s]+|models:/[^/@]+(/[1-9][0-9]*|@[^/@\s]+)"


class CheckpointConfig(Section):
    """Where pretrained weights come from."""

    source: Literal["package", "directory", "hub", "run", "scratch"]
    """An installed Python package, a local directory such as `runs/<…>/model`, the Hugging Face
    hub, a model that the tracking store holds, or no weights."""
    location: str = ""
    """`package/subdirectory` of the package, the directory's path, the hub id, or for source run
    `runs:/<run id>`, `models:/<name>/<version>` or `models:/<name>@<alias>`."""
    revision: str | None = Field(default=None, min_length=7)
    """Commit of the hub repository; needed for source hub."""
    hub_id: str | None = None
    """The hub repository whose weights a package or directory carries, for the model card."""
    sha256: dict[str, Sha256] = Field(default_factory=dict)
    """Pinned contents of files, by name; checked before anything is loaded. What another experiment
    trained needs a pin of its weights, or the next training of it would change this one."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.source == "scratch") != (self.location == ""):
            raise ValueError("location is needed, except for source scratch, which has none")
        if self.source == "hub" and self.revision is None:
            raise ValueError("a hub checkpoint needs a revision (a commit), or it may change")
        if self.source == "run" and not re.fullmatch(_TRACKED_MODEL, self.location):
            raise ValueError(
                "for source run, location is `runs:/<run id>`, `models:/<name>/<version>` or "
                f"`models:/<name>@<alias>`; got {self.location!r}"
            )
        return self


class TokenizerConfig(Section):
    """How text becomes tokens."""

    kind: Literal["pretrained", "word", "character", "wordpiece", "bpe", "byte_bpe", "none"] = (
        "pretrained"
    )
    """The checkpoint's own tokenizer, one trained on the training split, or none for a model that
    neither reads nor writes tokens. Only byte_bpe can write back every text as it was."""
    vocab_size: int = Field(default=8_000, ge=8)
    """Largest vocabulary of a trained tokenizer, special tokens included."""
    lowercase: bool = True
    """Whether a trained tokenizer lower-cases."""
    special_tokens: bool | Literal["end"] = True
    """Whether [CLS] and [SEP] frame a text (trained tokenizers); end: only [SEP] behind it, for
    models that write."""


class ArchitectureConfig(Section):
    """A model trained from scratch."""

    kind: Literal[
        "bert",
        "gpt2",
        "lstm",
        "ngram_bag",
        "conv_recurrent",
        "audio_cnn",
        "resnet",
        "seq2seq",
        "whisper",
    ]
    """The architecture."""
    hidden_size: Count = 128
    """Width of hidden states."""
    embedding_size: Count | None = None
    """Width of embeddings (lstm only); by default the hidden size."""
    num_layers: Count = 2
    """Layers on top of each other; of seq2seq and whisper in each half."""
    num_attention_heads: Count = 2
    """Attention heads of a layer (of transformers); they share the width equally."""
    intermediate_size: Count | None = None
    """Width of feed-forward layers; by default four times the hidden size."""
    bidirectional: bool = False
    """Whether an lstm reads both ways."""
    max_ngram: Count = 2
    """Longest run of tokens that has an embedding (ngram_bag)."""
    num_buckets: Count = 131_072
    """Embeddings that all runs of two or more tokens share, by their hash (ngram_bag)."""
    conv_channels: Count = 32
    """Maps of the first convolution (conv_recurrent, audio_cnn and resnet)."""


class AudioConfig(Section):
    """How recordings become numbers, for a model from scratch; a checkpoint brings its own way."""

    sample_rate: int = Field(default=16_000, ge=1_000, le=96_000)
    """Samples a second to which recordings are resampled."""
    num_mels: int = Field(default=80, ge=8, le=512)
    """Frequency bands of the log-mel features."""
    window_ms: Positive = 25.0
    """Length of a frame in milliseconds."""
    hop_ms: Positive = 10.0
    """From one frame to the next in milliseconds."""
    low_hertz: float = Field(default=20.0, ge=0.0)
    """Where the lowest band begins."""
    high_hertz: Positive | None = None
    """Where the highest band ends; by default half the sample rate."""
    keep_samples: bool = False
    """Whether the prepared dataset keeps the sound beside its features, so that the page of
    mistakes can play it; it takes about twice the space of the features."""


class ImageConfig(Section):
    """How pictures become numbers, for a model from scratch; a checkpoint brings its own way."""

    height: int = Field(default=32, ge=8, le=1_024)
    """Pixels to which pictures are stretched."""
    width: int = Field(default=32, ge=8, le=1_024)
    """Pixels to which pictures are stretched."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Taken off red, green and blue, of values from 0 to 1; by default those of ImageNet."""
    std: tuple[Positive, Positive, Positive] = (0.229, 0.224, 0.225)
    """What they are divided by then."""


class ModelConfig(Group):
    """The model and how its input is encoded."""

    checkpoint: CheckpointConfig = CheckpointConfig(source="scratch")
    """Pretrained weights, or none."""
    tokenizer: TokenizerConfig = TokenizerConfig()
    """How text becomes tokens."""
    architecture: ArchitectureConfig | None = None
    """Needed for, and only for, source scratch."""
    audio: AudioConfig | None = None
    """How recordings become numbers (from scratch); by default as the fields of this section say.
    """
    image: ImageConfig | None = None
    """How pictures become numbers (from scratch); by default as the fields of this section say."""
    max_length: int = Field(default=128, ge=2)
    """Longest input in tokens, or frames of a recording; longer ones are cut."""
    dropout: Probability | None = None
    """Dropout probability in place of the checkpoint's own."""
    attention: Literal["sdpa", "eager"] = "sdpa"
    """Attention implementation of transformers."""

    @model_validator(mode="after")
    def _weights_or_architecture(self) -> Self:
        scratch = self.checkpoint.source == "scratch"
        if scratch != (self.architecture is not None):
            raise ValueError(
                "architecture describes a model trained from scratch: give it with "
                f"checkpoint.source=scratch and only then (source is {self.checkpoint.source})"
            )
        if scratch and self.tokenizer.kind == "pretrained":
            raise ValueError("a model trained from scratch has no pretrained tokenizer to use")
        return self
