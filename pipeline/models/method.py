"""What of a model is trained: all of it, all but a frozen prefix, or its head."""

from __future__ import annotations

from dataclasses import dataclass
from types import MethodType
from typing import TYPE_CHECKING

from pipeline.config.schema import MethodConfig
from pipeline.errors import UserError

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class MethodReport:
    """How many weights a model has, and how many of them are trained."""

    num_parameters: int
    num_trainable_parameters: int


def apply_method(model: PreTrainedModel, method: MethodConfig) -> MethodReport:
    """Freezes what the method does not train.

    Frozen modules need no gradient and stay in evaluation mode whatever `model.train()` says, so
    they have no dropout and their outputs for a text never change.

    Args:
        model: The model to train; it is changed in place.
        method: `full`: nothing is frozen. `frozen_prefix`: everything before the layers (the
            embeddings) and the lowest `frozen_layers` of them. `head`: the whole body but its
            pooler, which is as new as the classifier in most checkpoints.

    Raises:
        UserError: If the model has no such layers, or too few of them for any to be trained.
    """
    if method.kind == "head":
        for name, module in model.base_model.named_children():
            if name != "pooler":
                _freeze(module)
    elif method.kind == "frozen_prefix":
        for module in frozen_prefix(model, method.frozen_layers):
            _freeze(module)
    parameters = list(model.parameters())
    return MethodReport(
        num_parameters=sum(parameter.numel() for parameter in parameters),
        num_trainable_parameters=sum(
            parameter.numel() for parameter in parameters if parameter.requires_grad
        ),
    )


def encoder_layers(model: PreTrainedModel) -> nn.ModuleList:
    """The layers of a model, lowest first.

    They are the first list of modules in the body with as many entries as the config has
    layers: `encoder.layer` of BERT and ERNIE, `h` of GPT-2, `layers` of the LSTM.

    Raises:
        UserError: If there is none.
    """
    return _find_layers(model)[1]


def frozen_prefix(model: PreTrainedModel, num_layers: int) -> list[nn.Module]:
    """The modules of the body that come before the layers, and the lowest of the layers.

    Args:
        model: A model with a body of numbered layers.
        num_layers: How many layers belong to the prefix.

    Raises:
        UserError: If no layer would be left to train.
    """
    path, layers = _find_layers(model)
    if num_layers >= len(layers):
        raise UserError(
            f"method.frozen_layers is {num_layers}, but {model.config.model_type} here has "
            f"{len(layers)} layers and at least one must be trained",
            remedy=f"set method.frozen_layers to {len(layers) - 1} or less, or choose method=head",
        )
    prefix: list[nn.Module] = []
    parent: nn.Module = model.base_model
    for name in path.split("."):
        for sibling, module in parent.named_children():
            if sibling == name:
                parent = module
                break
            prefix.append(module)
    return [*prefix, *layers[:num_layers]]


def _find_layers(model: PreTrainedModel) -> tuple[str, nn.ModuleList]:
    """The layers and their dotted path within the body."""
    from torch.nn import ModuleList

    count = getattr(model.config, "num_hidden_layers", None)
    for path, module in model.base_model.named_modules():
        if isinstance(module, ModuleList) and len(module) == count:
            return path, module
    raise UserError(
        f"{model.config.model_type} has no list of {count} layers of which a part could be frozen",
        remedy="choose method=full or method=head",
    )


def _freeze(module: nn.Module) -> None:
    """Stops gradients and keeps a module and all within it in evaluation mode."""
    module.requires_grad_(False)
    for part in module.modules():
        part.training = False
        part.train = MethodType(_stay, part)  # type: ignore[method-assign]


def _stay(module: nn.Module, mode: bool = True) -> nn.Module:  # noqa: ARG001
    """`nn.Module.train` of a frozen module: it stays in evaluation mode."""
    return module
