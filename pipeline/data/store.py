"""Prepared datasets on disk: encoded splits as memory-mapped Arrow files and facts about them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.artifacts import PROCESSOR_DIRECTORY, read_json, write_json
from pipeline.errors import UserError

INFO_FILE = "info.json"
SPLITS = ("train", "validation", "test")
REMEDY = "run `python -m pipeline prepare` (or `dvc repro prepare`) to make it anew"


class DatasetInfo(BaseModel):
    """What the stages after prepare need to know of a dataset; `outputs/dataset/info.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str
    """The data option's name."""
    task: str
    """The task's kind, as the config names it."""
    label_names: tuple[str, ...]
    """Label names in the order of their ids."""
    pad_token_id: int
    max_length: int
    """Most tokens a row keeps, special tokens included."""
    num_special_tokens: int
    """Tokens that the tokenizer adds to each text."""
    rows: dict[str, int]
    """Rows of each split."""
    tokens: dict[str, int]
    """Tokens or frames of each split after cutting, special tokens included."""
    fingerprint: str
    """SHA-256 over the rows of all splits, the label names and what encoded them."""
    language: str | None
    licence: str | None
    sources: dict[str, str]
    """SHA-256 of each raw file, or revision of a hub dataset."""


class EncodedSplit:
    """The encoded rows of one split, memory-mapped: they cost no memory until they are read.

    Pickles as its path, so that worker processes map the file themselves.

    Args:
        path: An Arrow IPC file that `SplitWriter` wrote.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[type[EncodedSplit], tuple[Path]]:
        return EncodedSplit, (self.path,)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def table(self) -> pa.Table:
        """All rows: the raw columns and the encoded ones.

        Raises:
            UserError: If the file is missing or damaged.
        """
        try:
            return pa.ipc.open_file(pa.memory_map(str(self.path))).read_all()
        except FileNotFoundError:
            raise UserError(f"{self.path} is missing", remedy=REMEDY) from None
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(f"{self.path} is damaged: {error}", remedy=REMEDY) from error

    @cached_property
    def lengths(self) -> npt.NDArray[np.int32]:
        """Kept tokens or frames of each row, `[rows]`."""
        lengths: npt.NDArray[np.int32] = self.table["length"].to_numpy().astype(np.int32)
        return lengths

    @cached_property
    def together(self) -> npt.NDArray[np.int64] | None:
        """A number for each row, equal for rows that have to share a batch, `[rows]`; or None."""
        if "together" not in self.table.column_names:
            return None
        numbers: npt.NDArray[np.int64] = self.table["together"].to_numpy().astype(np.int64)
        return numbers

    @cached_property
    def _batches(self) -> tuple[list[pa.RecordBatch], npt.NDArray[np.int64]]:
        """Record batches, and the number of the first row of each."""
        batches = self.table.to_batches()
        sizes = np.array([batch.num_rows for batch in batches], np.int64)
        return batches, np.cumsum(sizes) - sizes

    def rows(
        self, indices: npt.NDArray[np.integer[Any]], columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Reads some rows, in the order asked for, at a cost that does not grow with the split.

        Args:
            indices: Row numbers, `[n]`; a number may occur again.
            columns: Which columns; by default all.

        Returns:
            A table of `n` rows in memory.

        Raises:
            IndexError: If a number is not a row's.
        """
        indices = np.asarray(indices, np.int64)
        if len(indices) and not 0 <= indices.min() <= indices.max() < len(self):
            raise IndexError(f"row numbers must be in 0 … {len(self) - 1}, got {indices.tolist()}")
        schema = self.table.schema if columns is None else self.table.select(columns).schema
        batches, firsts = self._batches
        home = np.searchsorted(firsts, indices, side="right") - 1
        parts = []
        for number in np.unique(home):
            within = pa.array(indices[home == number] - firsts[number])
            parts.append(batches[number].select(schema.names).take(within))
        found = pa.Table.from_batches(parts, schema)
        if len(parts) < 2:
            return found
        place = np.empty(len(indices), np.int64)
        place[np.argsort(home, kind="stable")] = np.arange(len(indices))
        return found.take(pa.array(place)).combine_chunks()


class EncodedDataset:
    """A prepared dataset: `outputs/dataset/`.

    Args:
        directory: Where it lies.
        info: What `info.json` says.
    """

    def __init__(self, directory: Path, info: DatasetInfo) -> None:
        self.directory = directory
        self.info = info
        self._splits: dict[str, EncodedSplit] = {}

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Opens a prepared dataset without reading its rows.

        Raises:
            UserError: If it is missing, incomplete or damaged.
        """
        path = directory / INFO_FILE
        if not path.is_file():
            raise UserError(f"there is no prepared dataset in {directory}", remedy=REMEDY)
        try:
            return cls(directory, DatasetInfo.model_validate(read_json(path)))
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(
                f"{path} was not written by this version of prepare: "
                f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
                remedy=REMEDY,
            ) from error

    @property
    def processor_directory(self) -> Path:
        """What encoded the rows, such as a tokenizer, in the Hugging Face layout."""
        return self.directory / PROCESSOR_DIRECTORY

    def split(self, name: str) -> EncodedSplit:
        """One of the splits.

        Args:
            name: train, validation or test.

        Raises:
            UserError: If the dataset has no such split, or its file is missing, damaged or not the
                one that `info.json` describes.
        """
        if name not in self.info.rows:
            raise UserError(
                f"the dataset in {self.directory} has no split {name!r}, "
                f"only {', '.join(self.info.rows)}",
                remedy="name one of these, or add that split under data.files or data.split",
            )
        if name not in self._splits:
            split = EncodedSplit(self.directory / f"{name}.arrow")
            if len(split) != self.info.rows[name]:
                raise UserError(
                    f"{split.path} has {len(split)} rows, but {INFO_FILE} says "
                    f"{self.info.rows[name]}",
                    remedy=REMEDY,
                )
            self._splits[name] = split
        return self._splits[name]


def write_info(directory: Path, info: DatasetInfo) -> None:
    """Writes `info.json`, which makes the splits beside it a dataset."""
    write_json(directory / INFO_FILE, info.model_dump(mode="json"))
