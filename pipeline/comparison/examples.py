"""Single test examples that groups judge differently, as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.comparison.judged import Judged
from pipeline.comparison.result import Disagreement, Example
from pipeline.tasks.base import FloatArray, IntArray
from pipeline.tasks.columns import target_names, with_input_text

MOST_EXAMPLES = 20
"""Examples kept of each direction."""
_SMALLEST = 1e-9
_NOTHING = "–"

Members = Mapping[str, Sequence[Judged]]
"""The models of each group by its label, over the same examples."""


def disagreements(groups: Members) -> tuple[Disagreement, ...]:
    """Where each group is more right than the first, and the reverse.

    The largest differences come first; of equal ones, those whose wrong side is the surest.
    """
    scores = {label: _mean_scores(members) for label, members in groups.items()}
    reference, *others = groups
    found = []
    for other in others:
        gain = scores[other] - scores[reference]
        better = _ranked(gain, groups[reference][0])
        worse = _ranked(-gain, groups[other][0])
        found.append(
            Disagreement(
                reference=reference,
                other=other,
                num_other_better=len(better),
                num_reference_better=len(worse),
                other_better=_examples(better, groups, scores),
                reference_better=_examples(worse, groups, scores),
            )
        )
    return tuple(found)


def described(row: Mapping[str, Any], text: str) -> str:
    """Columns of a prediction or a reference in words.

    A label with its probability, the names of a set, a number, entities with their types; of any
    other task its columns, lists of probabilities left out.

    Args:
        row: Values by column.
        text: The example's text, which entities are parts of.
    """
    if "prediction" in row:
        score = row.get("score")
        return _value(row["prediction"]) + ("" if score is None else f" ({score:.0%})")
    if "entities" in row:
        return _entities(row["entities"] or (), text)
    if len(row) == 1:
        (value,) = row.values()
        return _value(value)
    return ", ".join(f"{name}: {value}" for name, value in row.items() if not _is_numbers(value))


def _value(value: Any) -> str:
    """A set as its names, a number with six digits, all else as it is."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _mean_scores(members: Sequence[Judged]) -> FloatArray:
    """How right a group's predictions are, a mean over its members, `[rows]`."""
    found: FloatArray = np.mean([member.scores for member in members], axis=0)
    return found


def _ranked(gain: FloatArray, worse: Judged) -> IntArray:
    """The rows with a gain, the largest first."""
    sure = np.zeros(len(gain))
    if "score" in worse.predictions.column_names:
        sure = worse.predictions["score"].to_numpy()
    order = np.lexsort((np.arange(len(gain)), -sure, -np.round(gain, 9)))
    return order[gain[order] > _SMALLEST].astype(np.int64)


def _examples(
    rows: IntArray, groups: Members, scores: Mapping[str, FloatArray]
) -> tuple[Example, ...]:
    shown = rows[:MOST_EXAMPLES]
    firsts = {label: members[0] for label, members in groups.items()}
    first = next(iter(firsts.values()))
    wanted = target_names(first.task.columns)
    raw = _lines(with_input_text(first.rows, first.task.columns), shown)
    predicted = {label: _lines(one.predictions, shown) for label, one in firsts.items()}
    return tuple(
        Example(
            row_id=str(line.get("id", row + 1)),
            text=str(line.get("text", "")),
            reference=described({name: line[name] for name in wanted}, str(line.get("text", ""))),
            predictions={
                label: described(lines[number], str(line.get("text", "")))
                for label, lines in predicted.items()
            },
            scores={label: float(score[row]) for label, score in scores.items()},
        )
        for number, (row, line) in enumerate(zip(shown.tolist(), raw, strict=True))
    )


def _lines(table: pa.Table, rows: IntArray) -> list[dict[str, Any]]:
    return table.take(pa.array(rows)).to_pylist()  # type: ignore[no-any-return]


def _entities(entities: Sequence[Mapping[str, Any]], text: str) -> str:
    ordered = sorted(entities, key=lambda entity: (entity["start"], entity["end"]))
    parts = [f"{text[entity['start'] : entity['end']]} [{entity['type']}]" for entity in ordered]
    return ", ".join(parts) or _NOTHING


def _is_numbers(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, float) for one in value)
