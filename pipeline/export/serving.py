"""A trained model as MLflow loads and serves it: `python -m pipeline predict`, as a table.

MLflow keeps a copy of this package beside each model, so that it loads without the repository.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.export.bundle import load_predictor
from pipeline.export.predictor import Predictor

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
            model_input: With a column for each input of the task, such as `text`.
            params: Of MLflow's interface; there are none.

        Returns:
            A data frame with one row for each of the input, in order, and the columns of
            `Predictor.predict`.
        """
        import pandas as pd

        del params
        columns = {
            name: ["" if text is None else str(text) for text in model_input[name].tolist()]
            for name in self._predictor.inputs
        }
        records = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
        found = self._predictor.predict(records)
        return pd.DataFrame(found, index=model_input.index, dtype=object)  # None stays None


def _load_pyfunc(data_path: str) -> ServedModel:
    """What MLflow calls with the directory of the model's files."""
    return ServedModel(load_predictor(Path(data_path), "torch"))
