"""Tiny random checkpoints of models that read sound, written as the hub would hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_audio_checkpoint(kind: str, directory: Path) -> Path:
    """Writes random weights, the same each time, a config and a feature extractor's settings.

    Args:
        kind: wav2vec2, hubert, wav2vec2_bert, ast or whisper, which hears two seconds and has a
            tokenizer of bytes and of the languages en, zh and de.
        directory: Where to; made if missing.

    Returns:
        The directory.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, extractor = _made(kind)
        model.save_pretrained(directory)
        extractor.save_pretrained(directory)
        if kind == "whisper":
            _whisper_tokenizer().save_pretrained(directory)
    return directory


def _whisper_tokenizer() -> Any:
    """Bytes, then the special tokens in the order in which Whisper has them."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import WhisperTokenizer

    bytes_ = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    made: Any = WhisperTokenizer
    tokenizer = made(vocab={**bytes_, "<|endoftext|>": len(bytes_)}, merges=[])
    start = ["startoftranscript", "en", "zh", "de", "transcribe", "translate", "notimestamps"]
    tokenizer.add_special_tokens(
        {
            "additional_special_tokens": [f"<|{name}|>" for name in start],
            "pad_token": "<|endoftext|>",
        }
    )
    return tokenizer


def _made(kind: str) -> tuple[Any, Any]:
    import transformers

    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "layerdrop": 0.0,
    }
    if kind in {"wav2vec2", "hubert"}:
        convolutions = {
            "conv_dim": (16, 16, 16),
            "conv_kernel": (10, 8, 4),
            "conv_stride": (5, 8, 4),
            "num_conv_pos_embeddings": 8,
            "num_conv_pos_embedding_groups": 2,
            "feat_extract_norm": "layer",
            "do_stable_layer_norm": True,
            "feat_proj_dropout": 0.0,
            "final_dropout": 0.0,
            "mask_time_length": 2,
            "mask_feature_length": 2,
        }
        name = "Wav2Vec2" if kind == "wav2vec2" else "Hubert"
        settings = getattr(transformers, f"{name}Config")(**sizes, **convolutions)
        waves: Any = transformers.Wav2Vec2FeatureExtractor
        return getattr(transformers, f"{name}Model")(settings), waves(return_attention_mask=True)
    if kind == "wav2vec2_bert":
        bert = transformers.Wav2Vec2BertConfig(**sizes, feature_projection_input_dim=160)
        frames: Any = transformers.SeamlessM4TFeatureExtractor
        return transformers.Wav2Vec2BertModel(bert), frames()
    if kind == "whisper":
        settings = transformers.WhisperConfig(
            vocab_size=264,
            num_mel_bins=24,
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            max_source_positions=100,
            max_target_positions=40,
            init_std=0.1,
            pad_token_id=256,
            bos_token_id=256,
            eos_token_id=256,
            decoder_start_token_id=257,
            begin_suppress_tokens=None,
        )
        writer: Any = transformers.WhisperForConditionalGeneration(settings)
        own = writer.generation_config
        own._from_model_config = False
        own.is_multilingual = True
        own.lang_to_id = {"<|en|>": 258, "<|zh|>": 259, "<|de|>": 260}
        own.task_to_id = {"transcribe": 261, "translate": 262}
        own.no_timestamps_token_id = 263
        seconds: Any = transformers.WhisperFeatureExtractor
        return writer, seconds(feature_size=24, chunk_length=2)
    sizes = {name: size for name, size in sizes.items() if "drop" not in name}
    ast = transformers.ASTConfig(**sizes, max_length=200, num_mel_bins=32)
    patches: Any = transformers.ASTFeatureExtractor
    return transformers.ASTModel(ast), patches(max_length=200, num_mel_bins=32)
