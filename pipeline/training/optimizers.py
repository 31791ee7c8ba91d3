"""Optimisers: which weights decay, which learning rate each has, fused kernels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline.config.schema import OptimizerConfig

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from transformers import PreTrainedModel


def build_optimizer(model: PreTrainedModel, optimizer: OptimizerConfig) -> Optimizer:
    """Makes the optimiser of all weights that are trained.

    All weights of a kind are one group, updated by one fused kernel where the device has it. Each
    group has its peak learning rate under `initial_lr`.

    Args:
        model: The model, what is not trained already frozen.
        optimizer: The section `optimizer` of the config.
    """
    import torch

    groups = parameter_groups(model, optimizer)
    fused = groups[0]["params"][0].device.type in {"cpu", "cuda", "mps"}
    if optimizer.kind == "sgd":
        return torch.optim.SGD(groups, lr=optimizer.lr, momentum=optimizer.momentum, fused=fused)
    kind = torch.optim.AdamW if optimizer.kind == "adamw" else torch.optim.Adam
    return kind(groups, lr=optimizer.lr, betas=optimizer.betas, eps=optimizer.eps, fused=fused)


def parameter_groups(model: PreTrainedModel, optimizer: OptimizerConfig) -> list[dict[str, Any]]:
    """Sorts trained weights by decay and learning rate.

    Biases and normalisation weights never decay: they are the tensors with a single dimension. The
    head, which has `head_lr`, is all that is outside the model's body, and the body's pooler.

    Returns:
        Up to four groups with `params`, `lr`, `initial_lr` and `weight_decay`, none empty.
    """
    head_lr = optimizer.head_lr or optimizer.lr
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter, is_head in _trained(model):
        decay = optimizer.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((head_lr if is_head else optimizer.lr, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": lr, "initial_lr": lr, "weight_decay": decay}
        for (lr, decay), parameters in groups.items()
    ]


def _trained(model: PreTrainedModel) -> Iterator[tuple[nn.Parameter, bool]]:
    """Each trained weight, and whether it belongs to the head."""
    body = {
        id(parameter)
        for name, module in model.base_model.named_children()
        if name != "pooler"
        for parameter in module.parameters()
    }
    body |= {id(parameter) for parameter in model.base_model.parameters(recurse=False)}
    for parameter in model.parameters():
        if parameter.requires_grad:
            yield parameter, id(parameter) not in body
