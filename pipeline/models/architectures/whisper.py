"""An encoder of recordings of a fixed length and a decoder that writes, Whisper's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.config.model import ArchitectureConfig, AudioConfig
from pipeline.errors import ConfigError, Problem
from pipeline.models.architectures.sizes import inner_size
from pipeline.tasks.processor import Processor

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_RATE = 16_000
_MAX_TARGET = 448
"""Tokens that a Whisper checkpoint writes at most (Radford et al., 2022)."""


def settings(
    sizes: ArchitectureConfig,
    processor: Processor,
    max_length: int,  # noqa: ARG001
    entries: dict[str, Any],
) -> PreTrainedConfig:
    """Makes the config; see `architectures.bert.settings`.

    Both halves have `num_layers` layers. The encoder halves the frames; how many it reads is the
    processor's to say.
    """
    from transformers import WhisperConfig

    inner = inner_size(sizes)
    mels, frames = processor.audio_encoder.shape
    assert mels is not None
    assert frames is not None
    tokenizer = processor.tokenizer
    return WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=mels,
        max_source_positions=frames // 2,
        max_target_positions=_MAX_TARGET,
        d_model=sizes.hidden_size,
        encoder_layers=sizes.num_layers,
        decoder_layers=sizes.num_layers,
        encoder_attention_heads=sizes.num_attention_heads,
        decoder_attention_heads=sizes.num_attention_heads,
        encoder_ffn_dim=inner,
        decoder_ffn_dim=inner,
        dropout=0.1,
        pad_token_id=processor.pad_token_id,
        bos_token_id=processor.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=processor.pad_token_id,
        begin_suppress_tokens=None,
        **entries,
    )


def feature_extractor(settings: AudioConfig, max_length: int) -> Any:
    """Makes Whisper's log-mel features, of whole seconds that hold `max_length` frames.

    Raises:
        ConfigError: If a setting is not what its filters are made for.
    """
    from transformers import WhisperFeatureExtractor

    fixed = {"sample_rate": _RATE, "low_hertz": AudioConfig().low_hertz, "high_hertz": None}
    wrong = [name for name, value in fixed.items() if getattr(settings, name) != value]
    if wrong:
        raise ConfigError(
            [
                Problem(
                    f"model.audio.{name}",
                    f"Whisper's filters reach from 0 to 8,000 hertz of {_RATE:,} samples a second; "
                    f"got {getattr(settings, name)}",
                    remedy="leave it out: recordings of any rate are resampled",
                )
                for name in wrong
            ]
        )
    hop = round(_RATE * settings.hop_ms / 1000)
    made: Any = WhisperFeatureExtractor
    return made(
        feature_size=settings.num_mels,
        sampling_rate=_RATE,
        hop_length=hop,
        chunk_length=max(-(-max_length * hop // _RATE), 1),
        n_fft=round(_RATE * settings.window_ms / 1000),
        keep_samples=settings.keep_samples,
    )
