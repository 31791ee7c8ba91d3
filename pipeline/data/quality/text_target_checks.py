"""Checks of rows whose target is a text, such as a translation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.data import QualityConfig, Threshold
from pipeline.data.quality.checks import NUM_EXAMPLES, example
from pipeline.data.quality.finding import Finding, count_of, finding, show
from pipeline.data.quality.keys import text_keys

Flags = npt.NDArray[np.bool_]

_TIMES = 3.0
"""How many times longer or shorter than usual a target has to be to stand out."""
_SPARE = 10
"""Characters added to both lengths, so that a word more in a short text does not stand out."""


def text_targets(
    splits: Mapping[str, pa.Table], target: str, config: QualityConfig
) -> list[Finding]:
    """Targets of an odd length, targets that are the input again, and targets that are cut.

    Args:
        splits: Tables with the column `text`, the target and what encodes it, train first.
        target: The target's column.
        config: Thresholds.
    """
    found = [
        _of(
            splits,
            target,
            odd_lengths(splits, target),
            names=("length_ratio_share", "Odd lengths"),
            threshold=config.length_ratio_share,
            what=f"whose target is more than {_TIMES:g} times as long or as short for its input as "
            "usual",
            advice="Look at these rows: lines of two files may be out of step, or a target holds "
            "more or less than its input. Leave wrong ones out of the raw file.",
        ),
        _of(
            splits,
            target,
            {name: _copied(table, target) for name, table in splits.items()},
            names=("copied_share", "Inputs as targets"),
            threshold=config.copied_share,
            what="whose target is the input again, apart from case and white space",
            advice="Leave out what is not translated: a model learns to copy from it.",
        ),
    ]
    if all({"labels", "num_target_tokens"} <= set(table.column_names) for table in splits.values()):
        found.append(
            _of(
                splits,
                target,
                {name: _cut(table) for name, table in splits.items()},
                names=("cut_target_share", "Cut targets"),
                threshold=config.cut_target_share,
                what="whose target is longer than may be kept: a model learns to stop too soon",
                advice="Raise task.options.target_max_length or model.max_length, as far as the "
                "model allows, or leave these rows out.",
            )
        )
    return found


def odd_lengths(splits: Mapping[str, pa.Table], target: str) -> dict[str, Flags]:
    """Rows whose ratio of target to input, in characters, is far from the first split's median."""
    ratios = {name: _ratios(table, target) for name, table in splits.items()}
    first = next(iter(ratios.values()), np.zeros(0))
    usual = float(np.median(first)) if len(first) else 0.0
    return {name: np.abs(values - usual) > np.log(_TIMES) for name, values in ratios.items()}


def _ratios(table: pa.Table, target: str) -> npt.NDArray[np.float64]:
    lengths = [
        pc.utf8_length(table[name]).to_numpy().astype(np.float64) for name in ("text", target)
    ]
    ratios: npt.NDArray[np.float64] = np.log((lengths[1] + _SPARE) / (lengths[0] + _SPARE))
    return ratios


def _copied(table: pa.Table, target: str) -> Flags:
    return np.asarray(text_keys(table["text"]) == text_keys(table[target]), np.bool_)


def _cut(table: pa.Table) -> Flags:
    kept = pc.list_value_length(table["labels"]).to_numpy()
    return np.asarray(table["num_target_tokens"].to_numpy() > kept, np.bool_)


def _of(
    splits: Mapping[str, pa.Table],
    target: str,
    flags: Mapping[str, Flags],
    *,
    names: tuple[str, str],
    threshold: Threshold,
    what: str,
    advice: str,
) -> Finding:
    """The finding of a check that flags rows."""
    total = sum(len(rows) for rows in flags.values())
    count = sum(int(rows.sum()) for rows in flags.values())
    share = count / total if total else 0.0
    examples = [
        example(splits[name], row, split=name, **{target: _short(splits[name][target][int(row)])})
        for name, rows in flags.items()
        for row in np.flatnonzero(rows)[:NUM_EXAMPLES]
    ]
    return finding(
        names[0],
        names[1],
        share,
        threshold,
        message=f"{count_of(count, 'row')} ({show(share, 'share')}) {what}.",
        advice=advice,
        by_split={name: float(rows.mean()) if len(rows) else 0.0 for name, rows in flags.items()},
        examples=examples[:NUM_EXAMPLES],
    )


def _short(value: pa.Scalar) -> str:
    text = str(value.as_py())
    return text if len(text) <= 160 else f"{text[:160]}…"
