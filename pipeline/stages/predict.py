"""`python -m pipeline predict`: texts in, one JSON object a line out, in the same order."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO, cast

from pipeline.console import notice, warn
from pipeline.errors import UserError
from pipeline.export.bundle import Backend, load_predictor
from pipeline.stages.predict_input import ByteStream, Source, given_texts, open_source, windows


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
        texts: Texts of the command line; none means file or standard input.
        file: A file of texts; see `predict_input.open_source`.
        directory: The model; see `load_predictor`.
        backend: What runs it.
        field: The text's key in JSON Lines.
        stream_out: Where lines of JSON go.

    Raises:
        UserError: If the model or an input cannot be used. Windows before that of a bad row are
            written.
    """
    if file is not None:
        if texts:
            raise UserError(
                "texts come from arguments or from --file, not from both",
                remedy="leave one of them out",
            )
        with open_source(file, field) as source:
            _predict(windows(source), directory, backend, stream_out)
    elif texts:
        _predict([given_texts(texts)], directory, backend, stream_out)
    else:
        if sys.stdin.isatty():
            notice("texts from the terminal, one a line; Ctrl-D ends")
        source = Source("standard input", cast("ByteStream", sys.stdin.buffer), None)
        _predict(windows(source), directory, backend, stream_out)


def _predict(
    batches: Iterable[list[str]], directory: Path, backend: Backend, stream_out: TextIO
) -> None:
    predictor = load_predictor(directory, backend)
    row = num_empty = first_empty = 0
    for texts in batches:
        for record in predictor.predict(texts):
            row += 1
            if all(value is None for name, value in record.items() if name != "text"):
                num_empty += 1
                first_empty = first_empty or row
            stream_out.write(json.dumps(record, ensure_ascii=False) + "\n")
        stream_out.flush()
    if num_empty:
        rows = f"row {first_empty}"
        if num_empty > 1:
            rows = f"{num_empty} rows (the first is row {first_empty})"
        warn(f"{rows} without a word to predict for: nulls were written")
