"""Baselines of tasks that find entities in a text."""

from __future__ import annotations

import pyarrow as pa

from pipeline.evaluation.baselines.base import Baseline
from pipeline.evaluation.baselines.lexicon import Lexicon
from pipeline.evaluation.context import Context


def fit_lexicon(train: pa.Table, context: Context) -> Baseline:
    """Marks the entities of the train split wherever they occur; see `Lexicon`."""
    assert context.target is not None
    name = context.target.name
    lexicon = Lexicon(train["text"].to_pylist(), train[name].to_pylist())
    kind = train.schema.field(name).type
    scored = pa.list_(pa.struct([*kind.value_type, pa.field("score", pa.float64())]))
    return lambda rows: pa.table(
        {name: pa.array([lexicon.find(text) for text in rows["text"].to_pylist()], scored)}
    )
