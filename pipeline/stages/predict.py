"""`python -m pipeline predict`: inputs in, one JSON object a line out, in the same order."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO, cast

from pipeline.console import notice, warn
from pipeline.errors import UserError
from pipeline.export.bundle import Backend, load_predictor
from pipeline.export.predictor import CUT
from pipeline.manifest import FILE_NAME, Manifest
from pipeline.stages.predict_input import (
    ByteStream,
    Record,
    Source,
    given_records,
    open_source,
    windows,
)
from pipeline.tasks.columns import input_columns
from pipeline.tasks.registry import load_task

_MOST_NAMED = 5
"""Bad files named in a warning; each has its reason in its line of the output too."""


def run_predict(
    texts: Sequence[str],
    *,
    file: Path | None,
    directory: Path,
    backend: Backend,
    field: str,
    stream_out: TextIO,
) -> None:
    """Predicts for texts from arguments, a file or standard input, a window of rows at a time.

    Memory does not grow with the rows: a window is read, predicted and written before the next.
    An empty row gives a line with nulls, so that lines in and out correspond.

    Args:
        texts: Texts of the command line, or JSON objects where the task has several inputs; none
            means file or standard input.
        file: A file of texts; see `predict_input.open_source`.
        directory: The model; see `load_predictor`.
        backend: What runs it.
        field: The key of a single input in JSON Lines; empty for its own name.
        stream_out: Where lines of JSON go.

    Raises:
        UserError: If the model or an input cannot be used. Windows before that of a bad row are
            written.
    """
    keys = _keys(directory, field)
    if file is not None:
        if texts:
            raise UserError(
                "texts come from arguments or from --file, not from both",
                remedy="leave one of them out",
            )
        with open_source(file, keys) as source:
            _predict(windows(source), directory, backend, stream_out)
    elif texts:
        _predict([given_records(texts, keys)], directory, backend, stream_out)
    else:
        if sys.stdin.isatty():
            what = "texts" if len(keys) == 1 else f"JSON objects with {' and '.join(keys)}"
            notice(f"{what} from the terminal, one a line; Ctrl-D ends")
        stream = cast("ByteStream", sys.stdin.buffer)
        source = Source("standard input", stream, keys, is_json=len(keys) > 1)
        _predict(windows(source), directory, backend, stream_out)


def _keys(directory: Path, field: str) -> dict[str, str]:
    """The key in JSON of each input that the model's task reads."""
    if not directory.is_dir():
        raise UserError(
            f"{directory} is no directory of a model",
            remedy="run `dvc repro`, or name a directory with --model",
        )
    inside = [name for name in ("export", "model") if (directory / name / FILE_NAME).is_file()]
    if inside and not (directory / FILE_NAME).is_file():
        raise UserError(
            f"{directory} is the directory of a run, not of a model",
            remedy=f"name --model {directory / inside[0]}",
        )
    manifest = Manifest.read(directory)
    task = load_task(manifest.task, manifest.task_options)
    names = [column.name for column in input_columns(task.columns)]
    return {names[0]: field} if len(names) == 1 and field else {name: name for name in names}


def _predict(
    batches: Iterable[list[Record]], directory: Path, backend: Backend, stream_out: TextIO
) -> None:
    predictor = load_predictor(directory, backend)
    row = num_empty = first_empty = 0
    bad: list[str] = []
    for records in batches:
        for record in predictor.predict(records):
            row += 1
            if "error" in record:
                bad.append(f"row {row}: {record['error']}")
            elif all(
                value is None for name, value in record.items() if name not in predictor.inputs
            ):
                num_empty += 1
                first_empty = first_empty or row
            stream_out.write(json.dumps(record, ensure_ascii=False) + "\n")
        stream_out.flush()
    if num_empty:
        rows = f"row {first_empty}"
        if num_empty > 1:
            rows = f"{num_empty} rows (the first is row {first_empty})"
        warn(f"{rows} without a word to predict for: nulls were written")
    cut = predictor.tally[CUT]
    if cut:
        rows = "1 row is" if cut == 1 else f"{cut:,} rows are"
        longest = predictor.preprocessing.max_length
        warn(f"{rows} longer than model.max_length={longest:,}: the end was left out")
    if bad:
        more = f"; and {len(bad) - _MOST_NAMED} more" if len(bad) > _MOST_NAMED else ""
        warn(f"nulls were written for what cannot be read: {'; '.join(bad[:_MOST_NAMED])}{more}")
