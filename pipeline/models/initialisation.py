"""How layers begin that several of our models have."""

from __future__ import annotations

import torch
from torch import nn
from transformers import initialization


def begin_linear(module: nn.Linear) -> None:
    """Glorot weights (Glorot & Bengio, 2010) and no bias."""
    initialization.xavier_uniform_(module.weight)
    initialization.zeros_(module.bias)


def begin_lstm(module: nn.LSTM) -> None:
    """Keras' defaults: Glorot input and orthogonal recurrent weights.

    The forget gate starts open (bias 1; Jozefowicz et al., 2015).
    """
    size = module.hidden_size
    weights = dict(module.named_parameters())
    forget_gate = torch.zeros_like(weights["bias_ih_l0"])
    forget_gate[size : 2 * size] = 1.0
    initialization.xavier_uniform_(weights["weight_ih_l0"])
    initialization.orthogonal_(weights["weight_hh_l0"])
    initialization.copy_(weights["bias_ih_l0"], forget_gate)
    initialization.zeros_(weights["bias_hh_l0"])


def begin_batch_norm(module: nn.BatchNorm2d) -> None:
    """Scale 1, shift 0, and nothing seen yet."""
    initialization.ones_(module.weight)
    initialization.zeros_(module.bias)
    for name, start in (("running_mean", 0), ("running_var", 1), ("num_batches_tracked", 0)):
        initialization.constant_(getattr(module, name), start)
