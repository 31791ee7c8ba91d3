from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config.schema import OptimizerConfig, SchedulerConfig, TrainerConfig
from pipeline.data.encoding import encode_split
from pipeline.data.store import EncodedSplit
from pipeline.evaluation.measure import measure
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from pipeline.training.fit import fit
from tests.checkpoints import WORDS, MakeCheckpoint
from tests.task_contract import Source


def ranked(count: int, seed: int) -> pa.Table:
    """Three items for each query; the relevant one is the query's own word."""
    generator = np.random.default_rng(seed)
    words = np.array(WORDS[:6])
    queries = [generator.permutation(words)[:3] for _ in range(count)]
    return pa.table(
        {
            "id": [str(row) for row in range(3 * count)],
            "text": [f"{drawn[0]} {number}" for number, drawn in enumerate(queries) for _ in drawn],
            "text_pair": [str(word) for drawn in queries for word in drawn],
            "relevance": [1.0, 0.0, 0.0] * count,
        }
    )


@pytest.mark.parametrize("objective", ["cross_entropy", "pairwise"])
def test_a_ranking_is_trained_and_measured_by_query(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, objective: str
) -> None:
    directory = make_checkpoint("bert", initializer_range=0.2)
    processor = Processor(load_tokenizer(directory))
    task = load_task("text_pair_ranking", {"objective": objective, "cutoffs": [1]})
    task.attach(processor)
    splits = {}
    for name, rows in (("train", ranked(40, 0)), ("validation", ranked(20, 1))):
        path = tmp_path / f"{name}.arrow"
        encode_split(rows, path, task=task, processor=processor, label_names=(), max_length=16)
        splits[name] = EncodedSplit(path)
    assert (splits["train"].together is not None) == (objective == "pairwise")
    model = task.build_model(Source(directory, processor.pad_token_id), ())
    task.fit(splits["train"].table, ())
    result = fit(
        model,
        task,
        splits["train"],
        splits["validation"],
        label_names=(),
        pad_token_id=processor.pad_token_id,
        primary=task.primary_metric,
        optimizer=OptimizerConfig(lr=1e-2),
        scheduler=SchedulerConfig(),
        settings=TrainerConfig(max_epochs=2, max_tokens_per_batch=64, accelerator="cpu"),
        seed=0,
    )
    found = result.metrics["ndcg_at_1"]
    assert found is not None
    assert np.isfinite(result.loss)
    table = splits["validation"].table
    chance = pa.table({"prediction": np.zeros(table.num_rows)})
    measured = measure(task, chance, table, (), num_samples=200, confidence=0.95, seed=0)
    assert measured.values["ndcg_at_1"] == pytest.approx(1 / 3)
    assert measured.values["judged_share"] == 1.0
