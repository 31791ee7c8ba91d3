from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.config.model import ArchitectureConfig, ImageConfig, ModelConfig
from pipeline.errors import ConfigError, DataError
from pipeline.images.encoder import ImageEncoder
from pipeline.models.checkpoint import open_checkpoint
from pipeline.models.processor import load_processor, make_processor, save_processor
from pipeline.tasks.base import Task
from pipeline.tasks.columns import CONTENT_TYPE
from pipeline.tasks.image_classification import ImageClassification
from pipeline.tasks.image_inputs import stored_pixels
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from tests.pictures import picture
from tests.task_contract import MAX_LENGTH, HandComputed, Source, Subject, TaskContract

LABELS = ["red", "green", "blue", "red"]
SIZE = 16


def rows_of(labels: list[str]) -> pa.Table:
    contents = [
        {"path": f"{i}.png", "bytes": picture(label, i, (20 + i, 12))}
        for i, label in enumerate(labels)
    ]
    return pa.table({"image": pa.array(contents, CONTENT_TYPE), "label": labels})


def hub_checkpoint(kind: str, directory: Path) -> Path:
    """A tiny random checkpoint as the hub would hold it, with its image processor's settings."""
    import transformers

    torch.manual_seed(0)
    body: Any
    if kind == "vit":
        sizes: dict[str, Any] = {
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
        }
        body = transformers.ViTModel(
            transformers.ViTConfig(
                **sizes, intermediate_size=32, image_size=SIZE, patch_size=4, initializer_range=0.2
            )
        )
    else:
        body = transformers.ConvNextModel(
            transformers.ConvNextConfig(hidden_sizes=[8, 8], depths=[1, 1], num_stages=2)
        )
    body.save_pretrained(directory)
    ImageEncoder((SIZE, SIZE)).save(directory)
    return directory


class TestImageClassification(TaskContract):
    kind: ClassVar[str] = "image_classification"
    options: ClassVar[dict[str, Any]] = {"top_k": 2}
    families: ClassVar[tuple[str, ...]] = ("vit", "convnext")

    def rows(self) -> pa.Table:
        return rows_of(LABELS)

    def hand_computed(self) -> HandComputed:
        scores = [[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.1, 0.2, 0.7]]
        predictions = pa.table(
            {
                "prediction": ["blue", "blue", "red", "red"],
                "label_id": pa.array([0, 0, 2, 2], pa.int64()),
                "score": [0.7, 0.5, 0.5, 0.7],
                "scores": pa.array(scores, pa.list_(pa.float64())),
            }
        )
        rows = rows_of(["blue", "green", "red", "blue"])
        expected = {"accuracy": 0.5, "top_2_accuracy": 0.75}
        return HandComputed(predictions, rows, ("blue", "green", "red"), expected, [1, 0, 1, 0])

    @pytest.fixture
    def subject(self, task: Task, tmp_path: Path, request: pytest.FixtureRequest) -> Subject:
        directory = hub_checkpoint(request.param, tmp_path / "checkpoint")
        processor = load_processor(directory)
        task.attach(processor)
        rows = self.rows()
        names = task.label_names(rows, None)
        encoded = task.encode(rows, processor, names, max_length=MAX_LENGTH)
        for name in encoded.column_names:
            rows = rows.append_column(encoded.schema.field(name), encoded[name])
        torch.manual_seed(0)
        model = task.build_model(Source(directory, 0), names)
        task.fit(rows, names)
        return Subject(task, processor, names, rows, model)

    def test_encoding_is_deterministic_and_respects_max_length(self, subject: Subject) -> None:
        first, second = (
            subject.task.encode(self.rows(), subject.processor, subject.label_names, max_length=4)
            for _ in range(2)
        )
        assert first.equals(second)
        assert first.column_names[0] == "length"
        assert first["length"].to_pylist() == [1] * 4
        assert first["width"].to_pylist() == [20, 21, 22, 23]

    def test_a_batch_is_padded_on_the_right_with_the_padding_id(self, subject: Subject) -> None:
        values = subject.collate(subject.rows, 8)["pixel_values"]
        assert values.shape == (4, 3, SIZE, SIZE)
        assert values.dtype == torch.float32

    def test_padding_changes_neither_losses_nor_predictions_nor_metrics(
        self, subject: Subject
    ) -> None:
        together = subject.predict(subject.rows)
        alone = pa.concat_tables([subject.predict(subject.rows.slice(i, 1)) for i in range(4)])
        assert together["prediction"].to_pylist() == alone["prediction"].to_pylist()
        np.testing.assert_allclose(
            together["scores"].to_pylist(), alone["scores"].to_pylist(), atol=1e-5
        )


def make(tmp_path: Path, **options: Any) -> tuple[ImageClassification, Processor, ModelConfig]:
    model = ModelConfig.model_validate(
        {
            "name": "resnet",
            "tokenizer": {"kind": "none"},
            "architecture": ArchitectureConfig(kind="resnet", conv_channels=8, num_layers=2),
            "image": ImageConfig(height=SIZE, width=SIZE),
        }
    )
    task = load_task("image_classification", options)
    assert isinstance(task, ImageClassification)
    processor = make_processor(model, task.columns, root=tmp_path, train_texts=[])
    task.attach(processor)
    return task, processor, model


def test_a_network_from_scratch_learns_colours(tmp_path: Path) -> None:
    task, processor, model = make(tmp_path)
    rows = rows_of(LABELS * 3)
    names = task.label_names(rows, None)
    encoded = task.encode(rows, processor, names, max_length=8)
    save_processor(processor, tmp_path / "processor")
    torch.manual_seed(0)
    network = task.build_model(open_checkpoint(model, root=tmp_path, dataset_dir=tmp_path), names)
    assert load_processor(tmp_path / "processor") == processor
    subject = Subject(task, processor, names, encoded, network.train())
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for step in range(30):
        optimizer.zero_grad()
        batch = task.augment(subject.collate(encoded), step)
        task.loss(subject.outputs(batch), batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    network.train(mode=False)
    found = task.metrics(subject.predict(encoded), rows, names)
    assert found["accuracy"][0] == 1.0


def test_mixed_pictures_have_the_losses_of_both_labels(tmp_path: Path) -> None:
    task, processor, _ = make(tmp_path, augmentation={"mixup": 1.0})
    rows = rows_of(LABELS)
    names = task.label_names(rows, None)
    encoded = task.encode(rows, processor, names, max_length=8)
    batch = Subject(task, processor, names, encoded, None).collate(encoded)
    mixed = task.augment(batch, 3)
    outputs = {"logits": torch.randn(4, 3, generator=torch.Generator().manual_seed(0))}
    share = mixed["mixed_share"][0]
    first = task.loss(outputs, batch)
    second = task.loss(outputs, {**batch, "labels": mixed["mixed_labels"]})
    torch.testing.assert_close(task.loss(outputs, mixed), share * first + (1 - share) * second)
    assert 0 < float(share) < 1
    again = task.augment(batch, 3)
    assert all(torch.equal(again[name], mixed[name]) for name in mixed)


def test_a_damaged_picture_is_named_where_it_is_encoded(tmp_path: Path) -> None:
    task, processor, _ = make(tmp_path)
    contents = pa.array([{"path": "a/b.png", "bytes": picture("red", 0)[:50]}], CONTENT_TYPE)
    with pytest.raises(DataError, match=r"a/b\.png: the picture is damaged"):
        task.encode(pa.table({"image": contents}), processor, (), max_length=8)


def test_kept_pixels_come_back_from_slices_and_chunks(tmp_path: Path) -> None:
    task, processor, _ = make(tmp_path)
    encoded = task.encode(rows_of(LABELS), processor, ("blue", "green", "red"), max_length=8)
    whole = stored_pixels(encoded["pixels"])
    assert whole.shape == (4, SIZE, SIZE, 3)
    parts = pa.concat_tables([encoded.slice(2, 2), encoded.slice(0, 1)])
    np.testing.assert_array_equal(stored_pixels(parts["pixels"]), whole[[2, 3, 0]])
    taken = encoded.take(pa.array([3, 1]))
    np.testing.assert_array_equal(stored_pixels(taken["pixels"]), whole[[3, 1]])


def test_a_model_of_texts_sees_no_pictures() -> None:
    with pytest.raises(ConfigError, match="sees no pictures"):
        Processor().image_encoder  # noqa: B018
