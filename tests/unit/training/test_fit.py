from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.config.schema import Config
from pipeline.data.store import EncodedDataset
from pipeline.errors import ConfigError, EnvironmentProblem, UserError
from pipeline.models.checkpoint import open_checkpoint
from pipeline.models.method import apply_method
from pipeline.tasks.base import Batch
from pipeline.tasks.registry import load_task, primary_metric
from pipeline.tasks.text_classification import TextClassification
from pipeline.training.fit import FitResult, fit
from pipeline.training.module import FineTuner
from pipeline.training.progress import CurvePoint
from pipeline.training.randomness import seed_initialisation
from pipeline.training.watching import Watcher
from tests.checkpoints import write_checkpoint
from tests.training_project import config, write_project

torch.set_num_threads(1)

Logged = dict[int, dict[str, float]]
Trained = tuple[Any, FitResult, Logged]
Train = Callable[..., Trained]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fit") / "project"
    write_project(root)
    return root


@pytest.fixture
def train(project: Path) -> Train:
    """Trains; keywords are sections of the config, `options` go to `fit`."""

    def run(options: dict[str, Any] | None = None, **sections: Any) -> Trained:
        made: Config = config(**sections)
        dataset = EncodedDataset.open(project / "outputs" / "dataset")
        task = load_task(made.task.kind, made.task.options)
        source = open_checkpoint(made.model, root=project, dataset_dir=dataset.directory)
        seed_initialisation(made.seed)
        model = task.build_model(source, dataset.info.label_names)
        apply_method(model, made.method)
        logged: Logged = {}
        result = fit(
            model,
            task,
            dataset.split("train"),
            dataset.split("validation"),
            label_names=dataset.info.label_names,
            pad_token_id=dataset.info.pad_token_id,
            primary=primary_metric(task, made.task.primary_metric),
            optimizer=made.optimizer,
            scheduler=made.scheduler,
            settings=made.trainer,
            seed=made.seed,
            log=lambda metrics, step: logged.setdefault(step, {}).update(metrics),
            **(options or {}),
        )
        return model, result, logged

    return run


def equal(one: Any, other: Any) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_it_learns_and_says_how_it_went(train: Train, project: Path) -> None:
    _, result, logged = train(trainer={"max_epochs": 10})
    assert result.steps == max(logged) == 140
    assert result.epochs == 10
    losses = [logged[step]["train/loss"] for step in sorted(logged)]
    assert np.mean(losses[:5]) > 0.6
    assert np.mean(losses[-5:]) < 0.1
    assert result.metrics["accuracy"] == 1.0
    assert [point.step for point in result.curve] == [s for s in logged if "val/loss" in logged[s]]
    dataset = EncodedDataset.open(project / "outputs" / "dataset")
    assert result.tokens == 10 * dataset.info.tokens["train"]
    first = logged[1]
    assert set(first) == {
        "train/loss",
        "train/grad_norm",
        "train/lr",
        "train/tokens_per_second",
        "train/epoch",
    }


def test_two_runs_are_equal_bit_for_bit_and_another_seed_is_not(train: Train) -> None:
    one, _, first = train()
    other, _, second = train()
    assert equal(one, other)
    rate = "train/tokens_per_second"
    assert [{**m, rate: 0} for m in first.values()] == [{**m, rate: 0} for m in second.values()]
    assert not equal(one, train(seed=1)[0])


def test_batches_of_training_alone_are_augmented_each_with_a_seed_of_its_own(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, _, _ = train(trainer={"max_epochs": 1})
    seeds: list[int] = []

    def augment(self: TextClassification, batch: Batch, seed: int) -> Batch:
        seeds.append(seed)
        return {**batch, "input_ids": torch.full_like(batch["input_ids"], 3)}

    monkeypatch.setattr(TextClassification, "augment", augment)
    changed, result, _ = train(trainer={"max_epochs": 1})
    assert len(seeds) == len(set(seeds)) == result.steps
    assert all(0 <= seed < 2**64 for seed in seeds)
    assert not equal(plain, changed)

    first = [*seeds]
    seeds.clear()
    train(trainer={"max_epochs": 1})
    assert seeds == first


def test_what_is_drawn_between_steps_does_not_change_the_result(train: Train) -> None:
    class Disturbing(Watcher):
        def validated(self, number: int, point: CurvePoint) -> None:
            torch.rand(point.step)
            np.random.rand(point.step)

    several: Any = {"validations_per_epoch": 3}
    assert equal(train(trainer=several)[0], train({"watcher": Disturbing()}, trainer=several)[0])


@pytest.mark.parametrize("clip", [None, 0.05])
def test_accumulated_batches_step_as_one_large_batch(train: Train, clip: float | None) -> None:
    common: dict[str, Any] = {
        "model": {"dropout": 0.0},
        "optimizer": {"kind": "sgd", "lr": 0.5},
    }
    sizes: dict[str, Any] = {"max_tokens_per_batch": None, "precision": "fp32", "max_epochs": 3}
    large, one, _ = train(
        trainer={**sizes, "per_device_batch_size": 96, "gradient_clip_val": clip}, **common
    )
    parts = {"per_device_batch_size": 10, "accumulate_grad_batches": 10}
    small, ten, _ = train(trainer={**sizes, **parts, "gradient_clip_val": clip}, **common)
    assert one.steps == ten.steps == 3
    for a, b in zip(large.state_dict().values(), small.state_dict().values(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_the_gradient_is_clipped_to_its_largest_norm(train: Train, project: Path) -> None:
    common: dict[str, Any] = {
        "model": {"dropout": 0.0},
        "optimizer": {"kind": "sgd", "lr": 1.0, "momentum": 0.0, "weight_decay": 0.0},
        "scheduler": {"kind": "constant", "warmup_ratio": None},
    }
    steps: dict[str, Any] = {"max_steps": 1, "precision": "fp32"}
    start, *_ = train(trainer={**steps, "gradient_clip_val": 1e-12}, **common)
    clipped, _, logged = train(trainer={**steps, "gradient_clip_val": 0.05}, **common)
    moved = torch.cat(
        [(a - b).flatten() for a, b in zip(start.parameters(), clipped.parameters(), strict=True)]
    )
    assert logged[1]["train/grad_norm"] > 0.05
    assert moved.norm().item() == pytest.approx(0.05, rel=1e-3)


def test_max_steps_ends_training_and_learning_rates_are_those_of_the_schedule(
    train: Train,
) -> None:
    _, result, logged = train(
        trainer={"max_steps": 4},
        scheduler={"kind": "linear", "warmup_ratio": None, "num_warmup_steps": 1},
        optimizer={"lr": 0.3},
    )
    assert result.steps == 4
    assert [point.step for point in result.curve] == [4]
    assert [logged[step]["train/lr"] for step in range(1, 5)] == pytest.approx(
        [0.15, 0.3, 0.2, 0.1]
    )


def test_training_stops_early_and_ends_with_the_best_weights(train: Train) -> None:
    worse = {"lr": 1.0, "kind": "sgd", "momentum": 0.99}
    options: dict[str, Any] = {"max_epochs": 30, "early_stopping_patience": 2}
    model, result, _ = train(
        optimizer=worse, trainer=options, scheduler={"kind": "constant", "warmup_ratio": None}
    )
    assert len(result.curve) < 30
    values = [point.metrics["log_loss"] for point in result.curve]
    best = int(np.argmin(np.array(values, float)))
    assert len(values) == best + 3
    assert result.best_step == result.curve[best].step
    assert result.best_epoch == best + 1
    shorter, again, _ = train(
        optimizer=worse,
        trainer={"max_epochs": 30, "max_steps": result.best_step},
        scheduler={"kind": "constant", "warmup_ratio": None},
    )
    assert again.best_step == result.best_step
    assert equal(model, shorter)


def test_the_model_comes_back_ready_to_predict(train: Train) -> None:
    model, *_ = train(trainer={"max_steps": 1})
    assert not model.training
    assert {str(p.device) for p in model.parameters()} == {"cpu"}


def test_a_frozen_prefix_does_not_change(train: Train) -> None:
    method = {"kind": "frozen_prefix", "frozen_layers": 2}
    model, *_ = train(method=method, trainer={"max_steps": 3})
    before, *_ = train(method=method, optimizer={"lr": 1e-30}, trainer={"max_steps": 1})
    changed = {
        name
        for name, weight in model.state_dict().items()
        if not torch.equal(weight, before.state_dict()[name])
    }
    assert changed
    assert not any("embeddings" in n or "layer.0." in n or "layer.1." in n for n in changed)


def test_training_that_diverges_names_step_and_remedy(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = FineTuner.forward

    def forward(self: FineTuner, batch: Any) -> Any:
        outputs = original(self, batch)
        factor = float("nan") if self.training and self.step == 4 else 1.0
        return {name: value * factor for name, value in outputs.items()}

    monkeypatch.setattr(FineTuner, "forward", forward)
    with pytest.raises(UserError, match=r"became nan at step 5 .*diverged") as caught:
        train()
    assert "lower optimizer.lr" in str(caught.value)


def test_memory_that_does_not_suffice_names_the_batch_and_the_remedy(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(self: FineTuner, batch: Any) -> Any:
        return torch.empty(2**60, dtype=torch.uint8)

    monkeypatch.setattr(FineTuner, "forward", forward)
    with pytest.raises(EnvironmentProblem, match="does not suffice for batches of 128 tokens"):
        train()


def test_a_strategy_that_states_do_not_support_is_refused(train: Train) -> None:
    with pytest.raises(ConfigError, match=r"trainer.strategy: must be one of auto, ddp"):
        train(trainer={"strategy": "fsdp"})


def test_validation_sees_no_dropout_and_training_rows_are_seen_once_an_epoch(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[bool, list[int]] = {True: [], False: []}
    original = FineTuner.forward

    def forward(self: FineTuner, batch: Any) -> Any:
        assert self.model.training == self.training == torch.is_grad_enabled()
        seen[self.training].extend(batch["index"].tolist())
        return original(self, batch)

    monkeypatch.setattr(FineTuner, "forward", forward)
    train(trainer={"max_epochs": 2})
    assert sorted(seen[True]) == sorted([*range(96)] * 2)
    assert sorted(seen[False]) == sorted([*range(40)] * 2)


def test_the_test_split_is_not_read(train: Train, project: Path) -> None:
    test = project / "outputs" / "dataset" / "test.arrow"
    hidden = test.with_suffix(".hidden")
    test.rename(hidden)
    try:
        train(trainer={"max_steps": 1})
    finally:
        hidden.rename(test)


def test_bf16_trains_close_to_float32_and_weights_stay_float32(train: Train) -> None:
    exact, _, precise = train(trainer={"precision": "fp32", "max_steps": 3})
    rough, result, coarse = train(trainer={"precision": "bf16", "max_steps": 3})
    assert result.precision == "bf16"
    assert {weight.dtype for weight in rough.parameters()} == {torch.float32}
    assert not equal(exact, rough)
    assert coarse[3]["train/loss"] == pytest.approx(precise[3]["train/loss"], rel=0.05)


def test_a_compiled_model_learns_the_same(
    train: Train, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint("bert", project / "shallow", num_hidden_layers=1)
    shallow = {"source": "directory", "location": "shallow"}
    # Without code generation, which takes a minute, the whole capture of both passes is left.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    common: dict[str, Any] = {"model": {"dropout": 0.0, "checkpoint": shallow}}
    steps: dict[str, Any] = {"max_steps": 3, "precision": "fp32"}
    plain, _, logged = train(trainer=steps, **common)
    compiled, _, again = train(trainer={**steps, "compile": True}, **common)
    assert again[3]["train/loss"] == pytest.approx(logged[3]["train/loss"], rel=1e-3)
    assert compiled.state_dict().keys() == plain.state_dict().keys()
