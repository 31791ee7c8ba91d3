from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from pipeline.training.cpu_dropout import KeepMasks, _Attention, _Dropout, _Recipe, cpu_dropout

torch.set_num_threads(1)

TYPES = [torch.float32, torch.bfloat16, torch.float64]


def kept(mask: torch.Tensor) -> torch.Tensor:
    """One where a mask keeps an element, otherwise zero."""
    assert set(mask.flatten().tolist()) <= {0, -1}
    return mask != 0


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_masks_keep_the_share_they_should_and_the_mean(dtype: torch.dtype, dropout: float) -> None:
    mask, factor = KeepMasks().draw(torch.empty(500, 501, dtype=dtype), dropout)
    share = kept(mask).double().mean().item()
    assert share == pytest.approx(1 - dropout, abs=0.004)
    assert factor * (1 - dropout) == pytest.approx(1, abs=1e-4)
    rows = kept(mask).double().mean(dim=1)
    assert rows.std().item() == pytest.approx((dropout * (1 - dropout) / 501) ** 0.5, rel=0.15)


def test_masks_depend_on_the_seed_alone() -> None:
    like = torch.empty(7, 13)
    masks = KeepMasks()
    masks.seed(5)
    first = [masks.draw(like, 0.5)[0] for _ in range(2)]
    masks.seed(5)
    assert torch.equal(masks.draw(like, 0.5)[0], first[0])
    assert not torch.equal(first[0], first[1])
    masks.seed(6)
    assert not torch.equal(masks.draw(like, 0.5)[0], first[0])


@pytest.mark.parametrize("dtype", TYPES)
def test_dropout_zeroes_or_scales_each_element_in_both_passes(dtype: torch.dtype) -> None:
    values = torch.ones(40, 50, dtype=dtype, requires_grad=True)
    result = _Dropout.apply(values, 0.25, KeepMasks())  # type: ignore[no-untyped-call]
    assert set(result.unique().tolist()) <= {0.0, torch.tensor(4 / 3, dtype=dtype).item()}
    result.sum().backward()
    assert values.grad is not None
    assert torch.equal(values.grad, result)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("source", [5, 7])
def test_the_gradient_of_attention_is_right(dropout: float, source: int) -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [
        torch.randn(4, length, 3, dtype=torch.float64, generator=generator, requires_grad=True)
        for length in (5, source, source)
    ]
    bias = torch.zeros(2, 1, 5, source, dtype=torch.float64)
    bias[1, :, :, 3:] = torch.finfo(torch.float32).min

    def attention(query: Any, key: Any, value: Any) -> Any:
        recipe = _Recipe(2, 0.7, dropout, KeepMasks())
        return _Attention.apply(query, key, value, bias, recipe)  # type: ignore[no-untyped-call]

    assert torch.autograd.gradcheck(attention, parts)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "distilbert", "ernie"])
def test_attention_without_dropped_elements_is_that_of_transformers(
    make_checkpoint: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModel

    directory = make_checkpoint(kind)
    model: Any = AutoModel.from_pretrained(directory, attn_implementation="sdpa").train()
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.p = 0.0
    ids = torch.randint(5, 12, (3, 9), generator=torch.Generator().manual_seed(0))
    attended = torch.ones_like(ids)
    attended[1, 6:] = 0
    inputs = {"input_ids": ids, "attention_mask": attended}

    def states_and_gradient() -> tuple[torch.Tensor, list[torch.Tensor]]:
        model.zero_grad()
        states = model(**inputs).last_hidden_state
        (states * attended.unsqueeze(-1)).square().sum().backward()
        return states.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]

    expected, gradients = states_and_gradient()
    calls = []
    draw = KeepMasks.draw
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.p = 1e-9  # rounds to no dropped element, but takes the way of dropout

    def counted(self: KeepMasks, like: torch.Tensor, dropout: float) -> Any:
        calls.append(like.ndim)
        return draw(self, like, dropout)

    monkeypatch.setattr(KeepMasks, "draw", counted)
    with cpu_dropout(model):
        found, others = states_and_gradient()
    assert calls.count(3) >= 3 + 3, "three layers' attention and their outputs"
    real = attended.bool()
    assert torch.allclose(found[real], expected[real], atol=1e-5)
    for one, other in zip(gradients, others, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(("width", "by_torch"), [(9, 0), (130, 2)])
def test_a_reader_and_writer_without_dropout_learns_as_with_torchs_attention(
    make_checkpoint: Any, width: int, by_torch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its encoder sees all tokens, its decoder those before, and both lengths meet in one layer."""
    from transformers import AutoModelForSeq2SeqLM

    model: Any = AutoModelForSeq2SeqLM.from_pretrained(
        make_checkpoint("marian", max_position_embeddings=256), attn_implementation="sdpa"
    ).train()
    model.config.dropout = 0.0
    for module in model.modules():
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    ids = torch.randint(5, 12, (3, width), generator=torch.Generator().manual_seed(0))
    attended = torch.ones_like(ids)
    attended[1, 6:] = 0
    given = {"input_ids": ids, "attention_mask": attended, "labels": ids[:, :4].contiguous()}

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        model(**given).loss.backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    expected = gradients()
    calls = []

    def counted(*given: Any, **options: Any) -> Any:
        calls.append(1)
        return sdpa_attention_forward(*given, **options)

    monkeypatch.setattr("pipeline.training.cpu_dropout.sdpa_attention_forward", counted)
    with cpu_dropout(model):
        found = gradients()
    layers = model.config.encoder_layers
    assert len(calls) == by_torch * layers, "torch's own for long texts alone"
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_evaluation_has_no_dropout_and_the_model_is_put_back(make_checkpoint: Any) -> None:
    from transformers import AutoModel

    model: Any = AutoModel.from_pretrained(make_checkpoint("bert"), attn_implementation="sdpa")
    inputs = {"input_ids": torch.tensor([[2, 5, 6, 3]])}
    model.eval()
    own = nn.functional.dropout
    before = model(**inputs).last_hidden_state
    with cpu_dropout(model):
        assert torch.equal(model(**inputs).last_hidden_state, before)
        model.train()
        assert not torch.equal(model(**inputs).last_hidden_state, model(**inputs).last_hidden_state)
    assert model.config._attn_implementation == "sdpa"
    assert nn.functional.dropout is own
    model.eval()
    assert torch.equal(model(**inputs).last_hidden_state, before)
