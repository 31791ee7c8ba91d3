from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.errors import ConfigError
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.base import IGNORE_INDEX, Task
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from pipeline.tasks.tensors import to_tensors
from tests.checkpoints import BERT_VOCABULARY, MakeCheckpoint
from tests.task_contract import HandComputed, Source, TaskContract

torch.set_num_threads(1)

TEXTS = ["home team won the match", "last 球赛", "the team", "in the last minute by home"]
MASK, UNKNOWN = BERT_VOCABULARY.index("[MASK]"), BERT_VOCABULARY.index("[UNK]")


def unlabelled(texts: list[str]) -> pa.Table:
    return pa.table({"id": [str(i) for i in range(len(texts))], "text": texts})


class TestMaskedLanguageModel(TaskContract):
    kind = "masked_language_model"
    families: ClassVar[tuple[str, ...]] = ("bert", "distilbert", "ernie")
    perfect = 1.0
    nearly = 0.05

    def rows(self) -> pa.Table:
        return unlabelled(TEXTS)

    def hand_computed(self) -> HandComputed:
        rows = unlabelled(["a", "b", "c"])
        predictions = pa.table(
            {
                "prediction": ["a", "b", "c"],
                "log_likelihood": [np.log(0.5), 2 * np.log(0.25), 0.0],
                "num_right": [1, 1, 0],
                "num_hidden": [1, 2, 0],
            }
        )
        mean = (np.log(2) + 2 * np.log(4)) / 3
        expected = {"pseudo_perplexity": float(np.exp(mean)), "token_accuracy": 2 / 3}
        return HandComputed(predictions, rows, (), expected, (1.0, 0.5, 1.0))


@pytest.fixture
def processor(make_checkpoint: MakeCheckpoint) -> Processor:
    return Processor(load_tokenizer(make_checkpoint("bert")))


def task_with(processor: Processor, **masking: Any) -> Task:
    task = load_task("masked_language_model", {"masking": masking})
    task.attach(processor)
    return task


def many(count: int = 400, words: int = 12) -> pa.Table:
    chance = np.random.default_rng(0)
    vocabulary = BERT_VOCABULARY[5:15]
    return unlabelled([" ".join(chance.choice(vocabulary, words)) for _ in range(count)])


def encoded(task: Task, processor: Processor, rows: pa.Table) -> pa.Table:
    return task.encode(rows, processor, (), max_length=32)


def shares(seen: Any, labels: Any) -> tuple[float, float, float]:
    """Of the hidden tokens, how many are shown as the mask, as others, and as they are."""
    hidden = labels != IGNORE_INDEX
    count = hidden.sum()
    masked, same = (seen == MASK)[hidden].sum(), (seen == labels)[hidden].sum()
    return float(masked / count), float((count - masked - same) / count), float(same / count)


def test_fixed_masks_hide_15_percent_as_bert_does(processor: Processor) -> None:
    task = task_with(processor)
    rows = encoded(task, processor, many())
    seen, labels = (np.array(rows[name].to_pylist()) for name in ("input_ids", "labels"))
    hidden = labels != IGNORE_INDEX
    content = hidden[:, 1:-1]
    assert content.mean() == pytest.approx(0.15 + 0.85**12 / 12, abs=0.01)
    assert not hidden[:, [0, -1]].any(), "special tokens are not asked for"
    assert hidden.any(axis=1).all(), "of each text at least one is"
    masked, other, same = shares(seen, labels)
    assert masked == pytest.approx(0.8, abs=0.04)
    assert other == pytest.approx(0.1 * 13 / 14, abs=0.03)
    assert same == pytest.approx(0.1 + 0.1 / 14, abs=0.03)
    plain = processor.tokenizer(many()["text"].to_pylist())["input_ids"]
    assert np.where(hidden, labels, seen).tolist() == plain


def test_training_draws_other_masks_for_each_seed(processor: Processor) -> None:
    task = task_with(processor)
    rows = encoded(task, processor, many())
    batch = to_tensors(task.collate(rows, pad_token_id=0, pad_to_multiple_of=8))
    before = {name: tensor.clone() for name, tensor in batch.items()}
    first, again, other = (task.augment(batch, seed) for seed in (2**63 + 5, 2**63 + 5, 6))
    for name, tensor in before.items():
        assert torch.equal(batch[name], tensor), "the batch itself is not changed"
        assert torch.equal(first[name], again[name])
    assert not torch.equal(first["labels"], other["labels"])
    hidden = first["labels"] != IGNORE_INDEX
    assert hidden.any(dim=1).all()
    assert float(hidden[:, 1:13].float().mean()) == pytest.approx(0.15 + 0.85**12 / 12, abs=0.01)
    assert not hidden[:, [0, 13, 14, 15]].any()
    masked, rest, same = shares(first["input_ids"], first["labels"])
    assert (masked, rest, same) == pytest.approx((0.8, 0.1, 0.1), abs=0.04)
    original = torch.where(batch["labels"] == IGNORE_INDEX, batch["input_ids"], batch["labels"])
    assert torch.equal(torch.where(hidden, first["labels"], first["input_ids"]), original)


def test_unknown_words_are_not_asked_for(processor: Processor) -> None:
    task = task_with(processor, probability=0.9)
    rows = encoded(task, processor, unlabelled(["the zebra won", "zebra"]))
    labels = rows["labels"].to_pylist()
    assert labels[0][2] == IGNORE_INDEX
    assert labels[1] == [IGNORE_INDEX] * 3
    assert rows["input_ids"].to_pylist()[1][1] == UNKNOWN


def test_a_text_that_shows_the_mask_is_left_as_it_is_and_filled(processor: Processor) -> None:
    task = task_with(processor)
    made = encoded(task, processor, unlabelled(["home [MASK] won"]))
    assert made["labels"].to_pylist() == [[IGNORE_INDEX] * 5]
    guesses = np.zeros((1, 5, len(BERT_VOCABULARY)))
    guesses[0, 2, BERT_VOCABULARY.index("team")] = 1.0
    found = task.decode({"logits": guesses}, made, ())
    assert found["prediction"].to_pylist() == ["home team won"]
    assert found["num_hidden"].to_pylist() == [0]


def test_words_are_hidden_whole(tmp_path: Path) -> None:
    directory = tmp_path / "wordpiece"
    directory.mkdir()
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "##ing", *"我们喜欢足球"]
    (directory / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    (directory / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    processor = Processor(load_tokenizer(directory))
    task = task_with(processor, whole_words=True)
    rows = encoded(
        task, processor, unlabelled(["playing 我们喜欢足球"] * 3 + ["我们playing喜欢足球"])
    )
    assert rows["words"].to_pylist()[0][1:-1] == [0, 0, 1, 1, 2, 2, 3, 3]
    batch = to_tensors(task.collate(rows, pad_token_id=0, pad_to_multiple_of=8))
    batches = [batch, *(task.augment(batch, seed) for seed in range(200))]
    hidden = torch.cat([one["labels"] != IGNORE_INDEX for one in batches])[:, 1:9]
    assert torch.equal(hidden[:, ::2], hidden[:, 1::2]), "both pieces of a word, or none"
    assert 0.2 < float(hidden.float().mean()) < 0.35


def test_a_tokenizer_without_a_mask_token_is_refused(make_checkpoint: MakeCheckpoint) -> None:
    processor = Processor(load_tokenizer(make_checkpoint("gpt2")))
    task = load_task("masked_language_model", {})
    with pytest.raises(ConfigError, match="no mask token"):
        task.encode(unlabelled(["a"]), processor, (), max_length=8)


def test_predictions_of_torch_and_of_a_graph_are_alike(processor: Processor) -> None:
    task = task_with(processor)
    rows = encoded(task, processor, many(5))
    batch = to_tensors(task.collate(rows, pad_token_id=0, pad_to_multiple_of=8))
    logits = torch.randn(5, 16, len(BERT_VOCABULARY), generator=torch.Generator().manual_seed(0))
    reduced = task.predict(None, batch, {"logits": logits})  # type: ignore[arg-type]
    arrays = {name: tensor.double().numpy() for name, tensor in reduced.items()}
    assert all(array.ndim < 3 for array in arrays.values()), "no logits leave the device"
    arrays["guesses"] = arrays["guesses"].astype(np.int64)
    one = task.decode(arrays, rows, ())
    other = task.decode({"logits": logits.double().numpy()}, rows, ())
    assert one["prediction"].equals(other["prediction"])
    np.testing.assert_allclose(one["log_likelihood"], other["log_likelihood"], rtol=1e-5)
    losses = task.example_losses({"logits": logits}, batch).numpy()
    hidden = one["num_hidden"].to_numpy()
    np.testing.assert_allclose(-one["log_likelihood"].to_numpy() / hidden, losses, rtol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "distilbert", "ernie"])
def test_training_computes_logits_of_hidden_tokens_alone(
    make_checkpoint: MakeCheckpoint, kind: str
) -> None:
    directory = make_checkpoint(kind, initializer_range=0.2)
    processor = Processor(load_tokenizer(directory))
    task = task_with(processor)
    rows = encoded(task, processor, many(6))
    model: Any = task.build_model(Source(directory, processor.pad_token_id), ())
    batch = to_tensors(task.collate(rows, pad_token_id=0, pad_to_multiple_of=8))
    losses, gradients = [], []
    for mode in (False, True):
        model.train(mode).zero_grad()
        outputs = task.forward(model, batch)
        most = int((batch["labels"] != IGNORE_INDEX).sum(1).max())
        assert outputs["logits"].shape[1] == (most if mode else 16)
        loss = task.loss(outputs, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(losses[0], losses[1])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


class TestWholeWords(TestMaskedLanguageModel):
    options: ClassVar[dict[str, Any]] = {"masking": {"whole_words": True}}
    families: ClassVar[tuple[str, ...]] = ("bert",)
