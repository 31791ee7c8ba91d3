"""Tiny random checkpoints of models that read sound, written as the hub would hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write_audio_checkpoint(kind: str, directory: Path) -> Path:
    """Writes random weights, the same each time, a config and a feature extractor's settings.

    Args:
        kind: wav2vec2, hubert, wav2vec2_bert or ast.
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
    return directory


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
    sizes = {name: size for name, size in sizes.items() if "drop" not in name}
    ast = transformers.ASTConfig(**sizes, max_length=200, num_mel_bins=32)
    patches: Any = transformers.ASTFeatureExtractor
    return transformers.ASTModel(ast), patches(max_length=200, num_mel_bins=32)
