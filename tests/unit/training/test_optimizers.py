from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, GPT2Config
from transformers import GPT2ForSequenceClassification as Gpt2

from pipeline.config.schema import MethodConfig, OptimizerConfig
from pipeline.models.method import apply_method
from pipeline.training.optimizers import build_optimizer, parameter_groups

torch.set_num_threads(1)


@pytest.fixture
def model() -> Any:
    return BertForSequenceClassification(
        BertConfig(
            hidden_size=8,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=16,
            vocab_size=20,
        )
    )


def names_by_group(model: Any, **values: Any) -> dict[tuple[float, float], set[str]]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = parameter_groups(model, OptimizerConfig(**values))
    return {
        (group["lr"], group["weight_decay"]): {names[id(p)] for p in group["params"]}
        for group in groups
    }


def test_biases_and_normalisation_never_decay(model: Any) -> None:
    groups = names_by_group(model, lr=1e-3, weight_decay=0.1)
    assert set(groups) == {(1e-3, 0.1), (1e-3, 0.0)}
    still = groups[1e-3, 0.0]
    assert still == {
        name for name, _ in model.named_parameters() if "LayerNorm" in name or "bias" in name
    }
    assert sum(map(len, groups.values())) == len(list(model.parameters()))


def test_gpt2_norms_do_not_decay_and_its_matrices_do() -> None:
    config = GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=20, n_positions=16)
    groups = names_by_group(Gpt2(config), lr=1e-3, weight_decay=0.1)
    assert "transformer.ln_f.weight" in groups[1e-3, 0.0]
    assert {"transformer.wte.weight", "transformer.h.0.mlp.c_fc.weight", "score.weight"} <= groups[
        1e-3, 0.1
    ]


def test_the_head_has_a_learning_rate_of_its_own(model: Any) -> None:
    groups = names_by_group(model, lr=1e-4, head_lr=1e-2, weight_decay=0.1)
    head = groups[1e-2, 0.1] | groups[1e-2, 0.0]
    assert head == {
        "classifier.weight",
        "classifier.bias",
        "bert.pooler.dense.weight",
        "bert.pooler.dense.bias",
    }


def test_frozen_weights_are_in_no_group(model: Any) -> None:
    apply_method(model, MethodConfig(kind="head"))
    groups = names_by_group(model, lr=1e-3, weight_decay=0.0)
    assert set(groups) == {(1e-3, 0.0)}
    assert all("encoder" not in name for name in groups[1e-3, 0.0])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam), ("sgd", torch.optim.SGD)],
)
def test_each_kind_steps_with_a_fused_kernel_that_divides_the_gradient(
    model: Any, kind: str, expected: type[torch.optim.Optimizer]
) -> None:
    weight = model.classifier.weight
    before = weight.detach().clone()
    options = OptimizerConfig.model_validate(
        {"kind": kind, "lr": 0.1, "weight_decay": 0.0, "momentum": 0.0}
    )
    optimizer: Any = build_optimizer(model, options)
    assert [optimizer.__class__] == [expected]
    weight.grad = torch.full_like(weight, 4.0)
    optimizer.grad_scale = torch.tensor(8.0)
    optimizer.step()
    moved = before - weight.detach()
    assert optimizer.param_groups[0]["fused"] is True
    expected_move = 0.1 * 4.0 / 8.0 if kind == "sgd" else 0.1
    assert torch.allclose(moved, torch.full_like(moved, expected_move), rtol=1e-4)
