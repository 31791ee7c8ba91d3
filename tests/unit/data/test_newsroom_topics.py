from __future__ import annotations

import gzip
import json
import runpy
from pathlib import Path

from pipeline.config.compose import compose
from pipeline.data.preparation import clean_splits
from pipeline.tasks.registry import load_task

DATA = Path("data") / "newsroom_topics"


def test_the_shipped_pairs_are_those_of_the_shipped_corpus(repository: Path) -> None:
    script = runpy.run_path(str(repository / DATA / "make_pairs.py"))
    content = script["pairs"](repository / "data" / "newsroom" / "newsroom.jsonl")
    assert gzip.decompress((repository / DATA / "pairs.jsonl.gz").read_bytes()) == content
    rows = [json.loads(line) for line in content.splitlines()]
    assert len(rows) == 8 * 1_050
    assert sum(row["relevance"] for row in rows) == 1_050


def test_an_items_pairs_stay_in_one_split(repository: Path, tmp_path: Path) -> None:
    config = compose(["experiment=newsroom_topic_ranking"], repository)
    task = load_task(config.task.kind, config.task.options)
    splits = clean_splits(config.data, columns=task.columns, root=repository, scratch=tmp_path)
    items = {name: set(table["group"].to_pylist()) for name, table in splits.tables.items()}
    assert sum(map(len, items.values())) == len(set.union(*items.values())) == 1_050
    for table in splits.tables.values():
        units = task.units(table)
        assert units is not None
        assert table.num_rows == 8 * (int(units.max()) + 1)
