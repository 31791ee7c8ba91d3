"""Datasets of the Hugging Face hub, and local directories of the same layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.config.data import HubConfig
from pipeline.data.held import column_values, holds_files
from pipeline.data.sources.class_names import named
from pipeline.data.sources.pins import DATA_DIRECTORY, directory_sha256, is_below_data
from pipeline.data.sources.raw import BATCH_ROWS, MEDIA_BATCH_ROWS, RawRows, WantedColumns
from pipeline.errors import DataError, EnvironmentProblem


def hub_version(hub: HubConfig, root: Path) -> str:
    """What pins the dataset: its revision, or a hash over all files of a local directory.

    Raises:
        DataError: If the directory is missing, empty or outside `data/`.
    """
    if not hub.is_directory:
        return str(hub.revision)
    directory = root / hub.dataset
    if not directory.is_dir():
        raise DataError(
            "the directory does not exist",
            file=hub.dataset,
            remedy="correct data.hub.dataset; a hub id begins with neither ./ nor /",
        )
    if not is_below_data(directory, root):
        raise DataError(
            f"the directory lies outside {DATA_DIRECTORY}/, so DVC does not see when it changes",
            file=hub.dataset,
            remedy=f"move it below {DATA_DIRECTORY}/, for example with `dvc add`",
        )
    return directory_sha256(directory)


def read_hub(hub: HubConfig, split: str, root: Path, wanted: WantedColumns) -> Iterator[RawRows]:
    """Reads one split; class ids become their names, recordings and pictures `Held`.

    These are not decoded here, so that no library that `datasets` decodes with is needed.

    Args:
        hub: Which dataset.
        split: The hub's name of the split.
        root: The project's root; a directory's path starts there.
        wanted: Which columns.

    Raises:
        DataError: If split or column is missing, or the dataset cannot be read.
        EnvironmentProblem: If the package `datasets` is missing or the hub cannot be reached.
    """
    dataset = _load(hub, split, root)
    name = f"{hub.dataset}[{split}]"
    chosen = wanted.choose(dataset.column_names, name)
    for column in chosen:
        if hasattr(dataset.features[column], "decode"):
            dataset = dataset.cast_column(column, replace(dataset.features[column], decode=False))
    names = {column: _class_names(dataset.features[column]) for column in chosen}
    schema = dataset.features.arrow_schema
    has_files = any(holds_files(schema.field(column).type) for column in chosen)
    number = 1
    batches = dataset.with_format("arrow").iter(MEDIA_BATCH_ROWS if has_files else BATCH_ROWS)
    for table in batches:
        columns = {column: named(column_values(table[column]), names[column]) for column in chosen}
        yield RawRows(columns, range(number, number + table.num_rows))
        number += table.num_rows


def _load(hub: HubConfig, split: str, root: Path) -> Any:
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            "data.hub needs the Python package `datasets`, which is not installed",
            remedy="pip install 'finetune-pipeline[hub]'",
        ) from error

    datasets.disable_progress_bars()
    place = str(root / hub.dataset) if hub.is_directory else hub.dataset
    revision = None if hub.is_directory else hub.revision
    try:
        return datasets.load_dataset(place, hub.subset, split=split, revision=revision)
    except ConnectionError as error:
        raise EnvironmentProblem(
            f"cannot fetch {hub.dataset} from the Hugging Face hub: {error}",
            remedy="check the network and HF_HUB_OFFLINE, or download the dataset to a directory "
            f"below {DATA_DIRECTORY}/ and name it in data.hub.dataset",
        ) from error
    except Exception as error:  # datasets raises many kinds, for files of many kinds
        raise DataError(
            f"cannot read the split {split!r}: {str(error).splitlines()[0]}",
            file=hub.dataset,
            remedy="correct data.hub (dataset, revision, subset, splits)",
        ) from error


def _class_names(feature: Any) -> Sequence[str] | None:
    """The class names, where a column has ids of classes or lists of such."""
    inner = getattr(feature, "feature", feature)
    return inner.names if hasattr(inner, "int2str") else None
