"""A trained model as MLflow loads and serves it: `python -m pipeline predict`, as a table.

MLflow keeps a copy of this package beside each model, so that it loads without the repository.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError
from pipeline.export.bundle import load_predictor
from pipeline.export.predictor import Predictor
from pipeline.tasks.base import Kind
from pipeline.tasks.columns import MEDIA_KINDS, input_columns

if TYPE_CHECKING:
    import pandas as pd


class ServedModel:
    """Predicts for a table of inputs.

    Args:
        predictor: Cleans, encodes, runs the model and decodes.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """Predicts.

        Args:
            model_input: With a column for each input of the task, such as `text`; a recording or
                picture is its content, as bytes or in base64.
            params: Of MLflow's interface; there are none.

        Returns:
            A data frame with one row for each of the input, in order, and the columns of
            `Predictor.predict`.
        """
        import pandas as pd

        del params
        columns = {
            column.name: [_given(value, column.kind) for value in model_input[column.name].tolist()]
            for column in input_columns(self._predictor.task.columns)
        }
        records = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
        found = self._predictor.predict(records)
        return pd.DataFrame(found, index=model_input.index, dtype=object)  # None stays None


def _given(value: Any, kind: Kind) -> str | bytes:
    """An input as the predictor takes it; no path of the machine that serves is ever opened."""
    if kind not in MEDIA_KINDS:
        return "" if value is None else str(value)
    if value is None:
        return b""
    if not isinstance(value, str):
        return bytes(value)
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except binascii.Error as error:
        raise DataError(
            f"a recording or picture must be its content, as bytes or in base64, got {value!r:.40}",
            remedy="send base64.b64encode(content).decode()",
        ) from error


def _load_pyfunc(data_path: str) -> ServedModel:
    """What MLflow calls with the directory of the model's files."""
    return ServedModel(load_predictor(Path(data_path), "torch"))
