"""A data set of a journal as an entity of `mlflow.data`; used by the delivering process only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

MAX_DIGEST = 36
"""Characters MLflow keeps of a digest."""
CONTEXT_TAG = "mlflow.data.context"
"""The tag of a data set's link to a run that says what it was used for."""


def dataset_input(dataset: dict[str, Any], context: str) -> DatasetInput:
    """What `MlflowClient.log_inputs` takes.

    Args:
        dataset: `name`, `digest`, `uri`, and `columns` (of `schemas.column_specs`) and `profile`
            where known.
        context: What the data set was used for.
    """
    from mlflow.data.dataset_source_registry import get_dataset_source_from_json
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.types import Schema

    class Described(MetaDataset):
        @property
        def profile(self) -> Any:
            return dataset.get("profile")

    columns = dataset.get("columns")
    source = get_dataset_source_from_json(json.dumps({"uri": dataset["uri"]}), "local")
    made = Described(
        source,
        name=dataset["name"],
        digest=dataset["digest"],
        schema=Schema.from_json(json.dumps(columns)) if columns else None,
    )
    profile = json.dumps(made.profile, ensure_ascii=False) if made.profile else None
    known: dict[str, Any] = {"schema": None, **made.to_dict(), "profile": profile}
    entity = Dataset(**known)
    return DatasetInput(entity, [InputTag(CONTEXT_TAG, context)])
