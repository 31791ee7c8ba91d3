from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.errors import ConfigError, DataError
from pipeline.models.saving import save_model
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.base import Arrays, Batch, Task
from pipeline.tasks.labels import balanced_weights
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from pipeline.tasks.tensors import to_tensors
from tests.checkpoints import MakeCheckpoint
from tests.task_contract import HandComputed, Source, TaskContract

torch.set_num_threads(1)


def labelled(labels: list[str], texts: list[str] | None = None) -> pa.Table:
    texts = texts or ["the match"] * len(labels)
    return pa.table({"id": [str(i) for i in range(len(labels))], "text": texts, "label": labels})


TEXTS = ["home team won the match", "last 球赛", "the team", "in the last minute by home"]


class TestSoftmax(TaskContract):
    kind = "text_classification"

    def rows(self) -> pa.Table:
        return labelled(["sport", "news", "other", "news"], TEXTS)

    def hand_computed(self) -> HandComputed:
        names = ("a", "b", "c")
        logits = np.log(np.array([[2, 1, 1], [1, 2, 1], [1, 1, 2], [2, 1, 1]], float))
        rows = labelled(["a", "b", "b", "c"])
        task = load_task(self.kind, self.options)
        expected = {
            "accuracy": 2 / 4,
            "f1_micro": 2 / 4,
            "f1/a": 2 / 3,
            "f1/b": 2 / 3,
            "f1/c": 0.0,
            "f1_macro": 4 / 9,
            "f1_weighted": (2 / 3 + 2 * 2 / 3 + 0) / 4,
            "precision/b": 1.0,
            "recall/b": 0.5,
            "log_loss": -(2 * np.log(0.5) + 2 * np.log(0.25)) / 4,
            "expected_calibration_error": 0.0,
        }
        scores = (1, 1, 0, 0)
        return HandComputed(
            task.decode({"logits": logits}, rows, names), rows, names, expected, scores
        )


class TestSigmoid(TaskContract):
    kind = "text_classification"
    options: ClassVar[dict[str, Any]] = {"objective": "sigmoid"}

    def rows(self) -> pa.Table:
        return labelled(["sport", "other", "sport", "other"], TEXTS)

    def hand_computed(self) -> HandComputed:
        names = ("other", "sport")
        logits = np.log(np.array([[3.0], [1 / 3], [3.0], [0.5]]))
        rows = labelled(["sport", "other", "other", "sport"])
        task = load_task(self.kind, self.options)
        expected = {
            "accuracy": 2 / 4,
            "roc_auc": (1 + 0.5 + 1 + 0) / 4,
            "log_loss": -(2 * np.log(0.75) + np.log(0.25) + np.log(1 / 3)) / 4,
            "mcc": 0.0,
        }
        scores = (1, 1, 0, 0)
        return HandComputed(
            task.decode({"logits": logits}, rows, names), rows, names, expected, scores
        )


def task_with(**options: Any) -> Task:
    return load_task("text_classification", options)


def batch_of(labels: list[int]) -> Batch:
    return {"labels": torch.tensor(labels)}


def test_names_are_sorted_or_as_configured() -> None:
    rows = labelled(["b", "a", "b"])
    assert task_with().label_names(rows, None) == ("a", "b")
    assert task_with().label_names(rows, ["b", "c", "a"]) == ("b", "c", "a")


def test_a_label_that_is_not_configured_is_named_with_its_row() -> None:
    with pytest.raises(DataError, match=r"'1'.*label 'sprot'") as caught:
        task_with().label_names(labelled(["sport", "sprot"]), ["sport", "other"])
    assert "did you mean 'sport'?" in str(caught.value.remedy)


def test_a_label_that_the_train_split_lacks_is_refused(make_checkpoint: MakeCheckpoint) -> None:
    tokenizer = load_tokenizer(make_checkpoint("bert"))
    with pytest.raises(DataError, match="label 'c'"):
        task_with().encode(labelled(["a", "c"]), Processor(tokenizer), ("a", "b"), max_length=8)


@pytest.mark.parametrize(
    ("labels", "message"), [(["a", "a"], "only the label 'a'"), ([], "no lab")]
)
def test_a_single_label_is_refused(labels: list[str], message: str) -> None:
    rows = labelled(labels) if labels else labelled(["a"]).slice(1)
    with pytest.raises(DataError, match=message):
        task_with().label_names(rows, None)


def test_sigmoid_refuses_three_labels() -> None:
    with pytest.raises(ConfigError, match=r"task\.options\.objective: .* there are 3: a, b, c"):
        task_with(objective="sigmoid").label_names(labelled(["a", "b", "c"]), None)


def test_softmax_loss_is_cross_entropy() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.0, 3.0]])
    expected = -torch.log_softmax(logits, 1)[torch.arange(2), torch.tensor([1, 0])]
    torch.testing.assert_close(
        task_with().example_losses({"logits": logits}, batch_of([1, 0])), expected
    )
    torch.testing.assert_close(
        task_with().loss({"logits": logits}, batch_of([1, 0])), expected.mean()
    )


def test_sigmoid_loss_is_binary_cross_entropy() -> None:
    logits = torch.tensor([[2.0], [-1.0], [0.5]])
    probability = torch.sigmoid(logits[:, 0])
    expected = -torch.log(torch.stack([probability[0], 1 - probability[1], 1 - probability[2]]))
    task = task_with(objective="sigmoid")
    torch.testing.assert_close(
        task.example_losses({"logits": logits}, batch_of([1, 0, 0])), expected
    )
    torch.testing.assert_close(task.loss({"logits": logits}, batch_of([1, 0, 0])), expected.mean())


@pytest.mark.parametrize("objective", ["softmax", "sigmoid"])
def test_smoothing_is_in_the_loss_but_not_in_the_losses_of_examples(objective: str) -> None:
    logits = torch.tensor([[0.0, 2.0]]) if objective == "softmax" else torch.tensor([[2.0]])
    plain, smoothed = (task_with(objective=objective, label_smoothing=s) for s in (0.0, 0.2))
    right, wrong = (float(plain.loss({"logits": logits}, batch_of([label]))) for label in (1, 0))
    assert float(smoothed.loss({"logits": logits}, batch_of([1]))) == pytest.approx(
        0.9 * right + 0.1 * wrong
    )
    assert float(smoothed.example_losses({"logits": logits}, batch_of([1]))) == pytest.approx(right)


@pytest.mark.parametrize("objective", ["softmax", "sigmoid"])
def test_balanced_labels_weigh_the_same_in_total(objective: str) -> None:
    task = task_with(objective=objective, class_weights="balanced")
    train = pa.table({"labels": [0, 0, 0, 1]})
    task.fit(train, ("a", "b"))
    logits = torch.zeros(4, 2 if objective == "softmax" else 1, requires_grad=True)
    loss = task.loss({"logits": logits}, batch_of([0, 0, 0, 1]))
    assert float(loss.detach()) == pytest.approx(np.log(2))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert float(gradient.sum(dim=0)[-1]) == pytest.approx(0.0, abs=1e-7)


def test_ignored_rows_are_not_in_the_mean_of_a_weighted_loss() -> None:
    task = task_with(class_weights="balanced")
    task.fit(pa.table({"labels": [0, 0, 0, 1]}), ("a", "b"))
    loss = task.loss({"logits": torch.zeros(3, 2)}, batch_of([1, -100, 1]))
    assert float(loss) == pytest.approx(2 * np.log(2))


def test_balanced_weights_have_mean_1_and_leave_absent_labels_out() -> None:
    labels = np.array([0, 0, 0, 2])
    weights = np.array(balanced_weights(labels, 3))
    assert weights.tolist() == [pytest.approx(2 / 3), 0.0, 2.0]
    assert weights[labels].mean() == pytest.approx(1.0)


def test_large_logits_do_not_overflow() -> None:
    rows = labelled(["a", "b"])
    for options, logits in (
        ({}, [[1e4, -1e4], [0, 1e4]]),
        ({"objective": "sigmoid"}, [[-1e4], [1e4]]),
    ):
        task = task_with(**options)
        predictions = task.decode({"logits": np.array(logits, float)}, rows, ("a", "b"))
        assert predictions["prediction"].to_pylist() == ["a", "b"]
        assert predictions["scores"].to_pylist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize("kind", ["bert", "gpt2", "distilbert", "ernie"])
def test_a_pipeline_of_transformers_gives_the_same_labels(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, kind: str
) -> None:
    from transformers import pipeline

    directory = make_checkpoint(kind)
    tokenizer = load_tokenizer(directory)
    task = task_with()
    rows = labelled(["sport", "news", "other", "news"], TEXTS)
    names = task.label_names(rows, None)
    torch.manual_seed(1)
    model = task.build_model(Source(directory, tokenizer.pad_token_id), names)
    save_model(model, Processor(tokenizer), tmp_path / "model")
    encoded = task.encode(rows, Processor(tokenizer), names, max_length=32)
    batch = task.collate(encoded, pad_token_id=tokenizer.pad_token_id, pad_to_multiple_of=8)
    labels = batch["labels"]
    with torch.no_grad():
        ours = task.decode(
            {"logits": model(**inputs_of(batch)).logits.double().numpy()}, rows, names
        )

    classify = pipeline("text-classification", model=str(tmp_path / "model"), device="cpu")
    theirs = classify(TEXTS, batch_size=4)

    assert model.config.problem_type == "single_label_classification"
    label2id: Any = model.config.label2id
    assert [label2id[name] for name in rows["label"].to_pylist()] == labels.tolist()
    assert [found["label"] for found in theirs] == ours["prediction"].to_pylist()
    assert [found["score"] for found in theirs] == pytest.approx(ours["score"].to_pylist())


def test_a_sigmoid_model_gives_transformers_the_positive_labels_probability(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    from transformers import pipeline

    directory = make_checkpoint("bert")
    tokenizer = load_tokenizer(directory)
    task = task_with(objective="sigmoid")
    names = ("other", "sport")
    model = task.build_model(Source(directory, tokenizer.pad_token_id), names)
    save_model(model, Processor(tokenizer), tmp_path / "model")
    rows = labelled(["sport"], TEXTS[:1])
    encoded = task.encode(rows, Processor(tokenizer), names, max_length=32)
    batch = task.collate(encoded, pad_token_id=tokenizer.pad_token_id, pad_to_multiple_of=1)
    with torch.no_grad():
        ours = task.decode(
            {"logits": model(**inputs_of(batch)).logits.double().numpy()}, rows, names
        )

    classify = pipeline("text-classification", model=str(tmp_path / "model"), device="cpu")
    (theirs,) = classify(TEXTS[:1])

    assert model.config.problem_type == "multi_label_classification"
    assert theirs["label"] == "sport"
    assert theirs["score"] == pytest.approx(ours["scores"][0].as_py()[1])
    assert classify.model.config.negative_label == "other"


def inputs_of(batch: Arrays) -> Batch:
    return to_tensors({name: array for name, array in batch.items() if name != "labels"})
