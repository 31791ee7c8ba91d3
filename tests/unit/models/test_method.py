"""What is frozen stays frozen; what is trained is trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pipeline.config.model import ArchitectureConfig
from pipeline.config.schema import MethodConfig
from pipeline.errors import UserError
from pipeline.models.method import apply_method, encoder_layers, frozen_prefix
from pipeline.models.pretrained import load_pretrained
from pipeline.models.scratch import build_model
from pipeline.models.vocabulary import train_tokenizer
from pipeline.tasks.processor import Processor
from tests.checkpoints import MakeCheckpoint

torch.set_num_threads(1)

LABELS = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}
KINDS = ["bert", "ernie", "gpt2", "distilbert", "lstm"]


@pytest.fixture
def make_model(make_checkpoint: MakeCheckpoint) -> Any:
    def make(kind: str) -> Any:
        torch.manual_seed(0)
        if kind == "lstm":
            words = [" ".join(f"w{i}" for i in range(20))]
            tokenizer = train_tokenizer(
                words, kind="word", vocab_size=20, lowercase=True, special_tokens=False
            )
            return build_model(
                ArchitectureConfig(kind="lstm", hidden_size=8, num_layers=3),
                Processor(tokenizer),
                "sequence_classification",
                max_length=8,
                attention="sdpa",
                dropout=0.5,
                config=LABELS,
            )
        return load_pretrained(
            make_checkpoint(kind),
            "sequence_classification",
            dropout=0.5,
            pad_token_id=0,
            config=LABELS,
        )

    return make


def train_one_step(model: Any) -> set[str]:
    """The names of the weights that a step of training changed."""
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    model.train()
    ids = torch.tensor([[5, 6, 7, 8], [9, 8, 7, 6]])
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).backward()  # type: ignore[no-untyped-call]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    torch.optim.SGD(trained, lr=1.0).step()
    return {
        name for name, tensor in model.named_parameters() if not torch.equal(tensor, before[name])
    }


def numbers(model: Any, parts: list[Any]) -> set[str]:
    inside = {id(parameter) for part in parts for parameter in part.parameters()}
    return {name for name, parameter in model.named_parameters() if id(parameter) in inside}


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_found_in_every_family(make_model: Any, kind: str) -> None:
    layers = encoder_layers(make_model(kind))
    assert len(layers) == 3
    assert len({type(layer) for layer in layers}) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_full_trains_all(make_model: Any, kind: str) -> None:
    model = make_model(kind)
    report = apply_method(model, MethodConfig(kind="full"))
    total = sum(parameter.numel() for parameter in model.parameters())
    assert (report.num_parameters, report.num_trainable_parameters) == (total, total)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frozen", [1, 2])
def test_a_frozen_prefix_is_embeddings_and_the_lowest_layers(
    make_model: Any, kind: str, frozen: int
) -> None:
    model = make_model(kind)
    report = apply_method(model, MethodConfig(kind="frozen_prefix", frozen_layers=frozen))
    layers = list(encoder_layers(model))
    low = numbers(model, [model.get_input_embeddings(), *layers[:frozen]])
    top = numbers(model, layers[frozen:])

    changed = train_one_step(model)

    assert not changed & low
    assert changed & top
    assert any(not name.startswith(model.base_model_prefix) for name in changed)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert report.num_trainable_parameters == trained < report.num_parameters


@pytest.mark.parametrize("kind", KINDS)
def test_head_trains_the_classifier_and_the_pooler(make_model: Any, kind: str) -> None:
    model = make_model(kind)
    apply_method(model, MethodConfig(kind="head"))
    changed = train_one_step(model)
    assert changed
    body = f"{model.base_model_prefix}."
    assert all(not n.startswith(body) or n.startswith(f"{body}pooler.") for n in changed)
    if kind in {"bert", "ernie"}:
        assert f"{body}pooler.dense.weight" in changed


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_parts_have_no_dropout_in_training(make_model: Any, kind: str) -> None:
    model = make_model(kind)
    apply_method(model, MethodConfig(kind="frozen_prefix", frozen_layers=2))
    seen: list[Any] = []
    encoder_layers(model)[1].register_forward_hook(lambda _m, _i, out: seen.append(out))
    ids = torch.tensor([[5, 6, 7, 8]])
    model.train()
    logits = [model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits for _ in range(2)]
    first, second = (out[0] if isinstance(out, tuple) else out for out in seen)
    if kind != "lstm":  # the LSTM drops between its layers, outside of them
        assert torch.equal(first, second)
    assert not torch.equal(*logits)
    for module in frozen_prefix(model, 2):
        assert not any(part.training for part in module.modules())


def test_freezing_a_model_in_training_puts_the_frozen_parts_in_evaluation(make_model: Any) -> None:
    model = make_model("bert").train()
    apply_method(model, MethodConfig(kind="frozen_prefix", frozen_layers=1))
    frozen, trained, _ = encoder_layers(model)
    assert not any(part.training for part in frozen.modules())
    assert all(part.training for part in trained.modules())


def test_at_least_one_layer_is_trained(make_model: Any) -> None:
    with pytest.raises(
        UserError, match=r"frozen_layers is 3, but bert here has 3 layers"
    ) as caught:
        apply_method(make_model("bert"), MethodConfig(kind="frozen_prefix", frozen_layers=3))
    assert "2 or less" in str(caught.value.remedy)


def test_a_model_without_layers_cannot_be_frozen_in_part(make_model: Any) -> None:
    model = make_model("bert")
    model.config.num_hidden_layers = 7
    with pytest.raises(UserError, match="no list of 7 layers"):
        apply_method(model, MethodConfig(kind="frozen_prefix", frozen_layers=1))
