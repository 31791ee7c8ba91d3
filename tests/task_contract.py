"""What every task has to keep: subclass `TaskContract`, give rows and a hand-computed value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.errors import UserError
from pipeline.export.generating import open_graph
from pipeline.export.writing import write_graphs
from pipeline.models.pretrained import load_pretrained
from pipeline.models.saving import load_saved_model, save_model
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.base import IGNORE_INDEX, Arrays, Batch, Head, PairedTest, Task
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from pipeline.tasks.tensors import to_arrays, to_tensors
from tests.checkpoints import MakeCheckpoint

torch.set_num_threads(1)

MAX_LENGTH = 32
_EXPORTED = "test_exported_and_eager_outputs_agree"


@dataclass(frozen=True)
class HandComputed:
    """Predictions whose metrics were worked out by hand.

    Attributes:
        predictions: As `decode` returns them.
        rows: Rows with references.
        label_names: Names by label id.
        expected: Some of the metrics.
        scores: How right each row is.
    """

    predictions: pa.Table
    rows: pa.Table
    label_names: tuple[str, ...]
    expected: Mapping[str, float]
    scores: Sequence[float]


@dataclass(frozen=True)
class Subject:
    """A task with encoded rows and a tiny random model in evaluation mode."""

    task: Task
    processor: Processor
    label_names: tuple[str, ...]
    rows: pa.Table
    model: Any

    def collate(self, rows: pa.Table, multiple: int = 1) -> Batch:
        return to_tensors(
            self.task.collate(
                rows, pad_token_id=self.processor.pad_token_id, pad_to_multiple_of=multiple
            )
        )

    def outputs(self, batch: Batch) -> dict[str, torch.Tensor]:
        return dict(self.task.forward(self.model, batch))

    @torch.no_grad()
    def read(self, batch: Batch) -> Arrays:
        """What is decoded."""
        return to_arrays(self.task.predict(self.model, batch, self.outputs(batch)))

    def predict(self, rows: pa.Table, multiple: int = 1) -> pa.Table:
        return self.decode(self.read(self.collate(rows, multiple)), rows)

    def decode(self, outputs: Arrays, rows: pa.Table) -> pa.Table:
        return self.task.decode(outputs, rows, self.label_names)

    def metrics(self, predictions: pa.Table, rows: pa.Table, weights: Any = None) -> Any:
        return self.task.metrics(predictions, rows, self.label_names, weights)


class Source:
    """Makes models of a directory, as `pipeline.models.checkpoint.Checkpoint` does."""

    def __init__(self, directory: Path, pad_token_id: int) -> None:
        self._directory = directory
        self._pad_token_id = pad_token_id

    def load_model(self, head: Head, **config: Any) -> Any:
        return load_pretrained(
            self._directory, head, dropout=0.0, pad_token_id=self._pad_token_id, config=config
        )


class TaskContract(ABC):
    """The tests; a subclass whose name starts with `Test` runs them for its task."""

    kind: ClassVar[str]
    """As `task.kind` in the config."""
    options: ClassVar[dict[str, Any]] = {}
    """As `task.options` in the config."""
    ignored: ClassVar[float] = IGNORE_INDEX
    """The label of what losses leave out."""
    nearly: ClassVar[float] = 0.0
    """How far from perfect the primary metric of four learned examples may be."""
    learning_rate: ClassVar[float] = 1e-2
    steps: ClassVar[int] = 60
    """Updates after which four examples are learned."""
    perfect: ClassVar[float | None] = None
    """The best value of the primary metric; by default 1 where higher is better, otherwise 0."""
    parts: ClassVar[tuple[slice, ...]] = (slice(0, 1), slice(1, None))
    """Rows that can be divided among batches: no term of the loss is about rows of two parts."""
    families: ClassVar[tuple[str, ...]] = ("bert", "gpt2")
    """The kinds of `make_checkpoint` whose models have the task's head."""
    exported: ClassVar[tuple[str, ...]] = ()
    """Those whose graphs are compared too, which takes seconds; by default the first."""
    max_length: ClassVar[int] = MAX_LENGTH
    """Most tokens or frames that a row keeps."""

    def __init_subclass__(cls) -> None:
        """Does not compare the graph of a variant, a subclass of tests, which has the same one."""
        if any(base.__name__.startswith("Test") for base in cls.__bases__):
            setattr(cls, _EXPORTED, None)

    @abstractmethod
    def rows(self) -> pa.Table:
        """Four labelled rows of different lengths, of words in `BERT_VOCABULARY`.

        At most 30 bytes each, which are as many tokens of the tiny GPT-2.
        """

    @abstractmethod
    def hand_computed(self) -> HandComputed:
        """An example whose metrics are plain to see."""

    def costs(self, encoded: pa.Table) -> list[int]:
        """What each encoded row costs in a batch; by default the tokens of its input."""
        return [len(ids) for ids in encoded["input_ids"].to_pylist()]

    @pytest.fixture
    def task(self) -> Task:
        return load_task(self.kind, self.options)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Runs what asks for a subject with a model of each family."""
        if "subject" not in metafunc.fixturenames:
            return
        exports = metafunc.function.__name__ == _EXPORTED
        families = (self.exported or self.families[:1]) if exports else self.families
        metafunc.parametrize("subject", families, indirect=True)

    @pytest.fixture
    def subject(
        self, task: Task, make_checkpoint: MakeCheckpoint, request: pytest.FixtureRequest
    ) -> Subject:
        directory = make_checkpoint(request.param, initializer_range=0.2)
        processor = Processor(load_tokenizer(directory))
        task.attach(processor)
        rows = self.rows()
        names = task.label_names(rows, None)
        encoded = task.encode(rows, processor, names, max_length=self.max_length)
        for name in encoded.column_names:
            rows = rows.append_column(name, encoded[name])
        torch.manual_seed(0)
        model = task.build_model(Source(directory, processor.pad_token_id), names)
        task.fit(rows, names)
        return Subject(task, processor, names, rows, model)

    def test_metric_names_are_distinct_and_the_primary_one_is_among_them(self, task: Task) -> None:
        names = [spec.name for spec in task.metric_specs]
        assert len(set(names)) == len(names)
        assert task.primary_metric in task.metric_specs

    def test_each_metric_has_a_test_that_suits_it(self, subject: Subject) -> None:
        """McNemar's counts examples that are right: only a mean of right and wrong is that."""
        predictions = subject.predict(subject.rows)
        right = subject.task.example_scores(predictions, subject.rows, subject.label_names)
        found = subject.metrics(predictions, subject.rows)
        for spec in subject.task.metric_specs:
            assert spec.test in get_args(PairedTest)
            if spec.test == "mcnemar":
                assert found[spec.name][0] == pytest.approx(right.mean())

    def test_example_scores_say_how_right_each_row_is(self, task: Task) -> None:
        example = self.hand_computed()
        names = example.label_names
        scores = task.example_scores(example.predictions, example.rows, names)
        assert scores.dtype == np.float64
        assert scores.tolist() == pytest.approx(list(example.scores))
        for first in (example.rows.num_rows - 1, example.rows.num_rows):
            part = task.example_scores(
                example.predictions.slice(first), example.rows.slice(first), names
            )
            assert part.tolist() == scores[first:].tolist()

    def test_a_missing_column_raises_with_a_remedy_that_names_it(self, task: Task) -> None:
        for name in (column.name for column in task.columns):
            rows = self.rows().drop_columns([name])
            with pytest.raises(UserError) as caught:
                task.label_names(rows, None)
            assert repr(name) in caught.value.message
            assert f"data.columns.{name}" in str(caught.value.remedy)

    def test_encoding_is_deterministic_and_respects_max_length(self, subject: Subject) -> None:
        for max_length in (4, 6, MAX_LENGTH):
            first, second = (
                subject.task.encode(
                    self.rows(), subject.processor, subject.label_names, max_length=max_length
                )
                for _ in range(2)
            )
            assert first.equals(second)
            lengths = [len(ids) for ids in first["input_ids"].to_pylist()]
            assert max(lengths) <= max_length
            assert first.column_names[0] == "length"
            assert first["length"].to_pylist() == self.costs(first)
            cut = np.minimum(first["num_tokens"].to_numpy(), max_length)
            assert lengths == cut.tolist()

    def test_rows_encode_alike_alone_and_together(self, subject: Subject) -> None:
        rows = self.rows()
        parts = [
            subject.task.encode(
                rows.slice(i, 1), subject.processor, subject.label_names, max_length=6
            )
            for i in range(rows.num_rows)
        ]
        whole = subject.task.encode(rows, subject.processor, subject.label_names, max_length=6)
        assert pa.concat_tables(parts).to_pylist() == whole.to_pylist()

    def test_a_batch_is_padded_on_the_right_with_the_padding_id(self, subject: Subject) -> None:
        batch = subject.collate(subject.rows, 8)
        width = batch["input_ids"].shape[1]
        assert width % 8 == 0
        assert batch["attention_mask"].shape == batch["input_ids"].shape
        for number, ids in enumerate(subject.rows["input_ids"].to_pylist()):
            padding = width - len(ids)
            expected = [*ids, *[subject.processor.pad_token_id] * padding]
            assert batch["input_ids"][number].tolist() == expected
            assert batch["attention_mask"][number].tolist() == [1] * len(ids) + [0] * padding
        given = [batch[name] for name in subject.task.model_inputs if name in batch]
        assert {tensor.dtype for tensor in given} == {torch.int64}

    def test_the_inputs_alone_are_enough_to_predict(self, subject: Subject) -> None:
        inputs = [column.name for column in subject.task.columns if not column.is_target]
        rows = self.rows().select(inputs)
        encoded = subject.task.encode(
            rows, subject.processor, subject.label_names, max_length=self.max_length
        )
        has_targets = any(column.is_target for column in subject.task.columns)
        assert ("labels" not in encoded.column_names) == has_targets
        for name in encoded.column_names:
            rows = rows.append_column(name, encoded[name])
        batch = subject.collate(rows)
        assert ("labels" not in batch) == has_targets
        found, expected = subject.predict(rows), subject.predict(subject.rows)
        assert found.schema == expected.schema
        for name in found.column_names:
            if found[name].null_count < rows.num_rows:  # null: measured against targets
                assert found[name].equals(expected[name]), name
        main = next(name for name in ("prediction", "entities") if name in found.column_names)
        assert found[main].null_count == 0

    def test_no_rows_give_no_predictions(self, subject: Subject) -> None:
        nothing = subject.rows.slice(0, 0)
        some = subject.predict(subject.rows)
        batch = subject.collate(subject.rows)
        read = {name: values[:0] for name, values in subject.read(batch).items()}
        empty = subject.decode(read, nothing)
        assert empty.schema == some.schema
        assert empty.num_rows == 0
        for values in subject.metrics(empty, nothing).values():
            assert np.isnan(values).all()

    def test_ignored_labels_cost_nothing(self, subject: Subject) -> None:
        batch = subject.collate(subject.rows)
        outputs = subject.outputs(batch)
        batch["labels"][0] = self.ignored
        rest: Batch = {name: tensor[1:] for name, tensor in batch.items()}
        others = {name: tensor[1:] for name, tensor in outputs.items()}

        loss = subject.task.loss(outputs, batch)
        torch.testing.assert_close(loss, subject.task.loss(others, rest))
        assert subject.task.example_losses(outputs, batch)[0] == 0
        (gradient,) = torch.autograd.grad(loss, outputs["logits"])
        assert not gradient[0].any()
        assert gradient[1:].any()

    def test_a_batch_of_ignored_labels_has_loss_and_gradient_zero(self, subject: Subject) -> None:
        batch = subject.collate(subject.rows)
        batch["labels"][:] = self.ignored
        outputs = subject.outputs(batch)
        loss = subject.task.loss(outputs, batch)
        assert loss.item() == 0
        (gradient,) = torch.autograd.grad(loss, outputs["logits"])
        assert not gradient.any()

    def test_the_loss_is_a_mean_over_labels(self, subject: Subject) -> None:
        batch = subject.collate(subject.rows)
        outputs = subject.outputs(batch)
        total, count = torch.tensor(0.0), 0
        for part in self.parts:
            some = {name: tensor[part] for name, tensor in batch.items()}
            of_some = {name: tensor[part] for name, tensor in outputs.items()}
            targets = int(subject.task.num_targets(some))
            total = total + subject.task.loss(of_some, some) * targets
            count += targets
        torch.testing.assert_close(subject.task.loss(outputs, batch), total / count)

    def test_losses_are_float32_whatever_the_logits_are(self, subject: Subject) -> None:
        batch = subject.collate(subject.rows)
        outputs = {name: one.bfloat16() for name, one in subject.outputs(batch).items()}
        examples = subject.task.example_losses(outputs, batch)
        assert subject.task.loss(outputs, batch).dtype == torch.float32
        assert examples.dtype == torch.float32
        assert examples.shape == (subject.rows.num_rows,)
        assert not examples.requires_grad
        assert (examples > 0).all()

    def test_padding_changes_neither_losses_nor_predictions_nor_metrics(
        self, subject: Subject
    ) -> None:
        tight, wide = (subject.collate(subject.rows, multiple) for multiple in (1, MAX_LENGTH))
        assert wide["input_ids"].shape[1] == MAX_LENGTH > tight["input_ids"].shape[1]
        losses = [
            subject.task.example_losses(subject.outputs(batch), batch) for batch in (tight, wide)
        ]
        torch.testing.assert_close(*losses)

        alone = pa.concat_tables(
            [subject.predict(subject.rows.slice(i, 1)) for i in range(subject.rows.num_rows)]
        )
        predictions = [alone, subject.predict(subject.rows), subject.predict(subject.rows, 32)]
        for found in predictions[1:]:
            _assert_alike(found.to_pylist(), alone.to_pylist())
        first, *others = (subject.metrics(found, subject.rows) for found in predictions)
        for other in others:
            for name, values in first.items():
                np.testing.assert_allclose(other[name], values, 1e-6, 1e-5, err_msg=name)

    def test_metrics_over_a_batch_equal_metrics_over_its_parts(self, subject: Subject) -> None:
        predictions = subject.predict(subject.rows)
        weights = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1], [2, 0, 1, 0]])
        units = subject.task.units(subject.rows)
        if units is not None:  # a repeated unit would be one unit with repeated rows
            _, first = np.unique(units, return_index=True)
            weights = np.minimum(weights[:, first[units]], 1)
        together = subject.metrics(predictions, subject.rows, weights)
        for sample, row in enumerate(weights):
            counted = pa.array(np.repeat(np.arange(4), row))
            alone = subject.metrics(predictions.take(counted), subject.rows.take(counted))
            assert alone.keys() == together.keys()
            for name, values in alone.items():
                np.testing.assert_allclose(
                    together[name][sample], values[0], atol=1e-12, err_msg=name
                )

    def test_every_metric_declared_is_measured(self, subject: Subject) -> None:
        found = subject.metrics(subject.predict(subject.rows), subject.rows)
        assert {spec.name for spec in subject.task.metric_specs} <= found.keys()
        extra = found.keys() - {spec.name for spec in subject.task.metric_specs}
        assert all("/" in name for name in extra)
        assert all(values.shape == (1,) for values in found.values())

    def test_a_hand_computed_value(self, task: Task) -> None:
        example = self.hand_computed()
        found = task.metrics(example.predictions, example.rows, example.label_names)
        for name, value in example.expected.items():
            assert found[name][0] == pytest.approx(value, nan_ok=True), name

    def test_classification_scores_are_there_where_promised(self, subject: Subject) -> None:
        predictions = subject.predict(subject.rows)
        if not subject.task.classification_scores:
            return
        scores = np.array(predictions["scores"].to_pylist())
        assert scores.shape == (subject.rows.num_rows, len(subject.label_names))
        np.testing.assert_allclose(scores.sum(axis=1), 1.0)
        best = [subject.label_names[i] for i in scores.argmax(axis=1)]
        assert predictions["prediction"].to_pylist() == best
        assert predictions["score"].to_pylist() == scores.max(axis=1).tolist()

    def test_it_overfits_four_examples(self, subject: Subject) -> None:
        batch = subject.collate(subject.rows, 8)
        optimizer = torch.optim.AdamW(subject.model.parameters(), lr=self.learning_rate)
        subject.model.train()
        for _ in range(self.steps):
            optimizer.zero_grad()
            subject.task.loss(subject.outputs(batch), batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        subject.model.eval()
        found = subject.metrics(subject.predict(subject.rows), subject.rows)
        primary = subject.task.primary_metric
        best = 1.0 if primary.higher_is_better else 0.0
        if self.perfect is not None:
            best = self.perfect
        assert found[primary.name][0] == pytest.approx(best, abs=self.nearly)

    def test_transformers_alone_loads_the_saved_model(
        self, subject: Subject, tmp_path: Path
    ) -> None:
        import transformers

        save_model(subject.model, subject.processor, tmp_path / "model")
        name = type(subject.model).__name__
        loaded = getattr(transformers, name, type(subject.model)).from_pretrained(
            tmp_path / "model"
        )
        assert loaded.config.id2label == subject.model.config.id2label
        if subject.label_names:
            assert set(loaded.config.id2label.values()) <= set(subject.label_names)
        for model in (loaded, load_saved_model(tmp_path / "model")):
            other = Subject(
                subject.task, subject.processor, subject.label_names, subject.rows, model.eval()
            )
            assert other.predict(subject.rows).equals(subject.predict(subject.rows))

    @torch.no_grad()
    def test_exported_and_eager_outputs_agree(self, subject: Subject, tmp_path: Path) -> None:
        path = tmp_path / "model.onnx"
        write_graphs(subject.model, subject.task.export_spec(subject.model), path, opset=18)
        exported = open_graph(path, num_threads=1)
        for rows, multiple in ((subject.rows, 1), (subject.rows.slice(1, 1), 16)):
            batch = subject.collate(rows, multiple)
            found = exported.run({name: tensor.numpy() for name, tensor in batch.items()})
            expected = subject.outputs(batch)
            for name in exported.outputs:
                np.testing.assert_allclose(found[name], expected[name].numpy(), atol=1e-4)
            _assert_alike(
                subject.decode(found, rows).to_pylist(), subject.predict(rows).to_pylist()
            )


def _assert_alike(found: Any, expected: Any) -> None:
    """Compares decoded predictions: numbers to five digits, all else exactly."""
    if isinstance(expected, float):
        assert found == pytest.approx(expected, abs=1e-5)
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            _assert_alike(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            _assert_alike(one, other)
    else:
        assert found == expected
