"""How far a journal has been delivered, and to which store."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from pipeline.tracking.journal import FILE_NAME, STATE_NAME, journal_directory


@dataclass
class DeliveryState:
    """The content of `delivered.json`.

    Attributes:
        store: The store's address without secrets; another store gets the whole journal.
        run_id: The MLflow run.
        experiment_id: The MLflow experiment.
        offset: Journal bytes that the store has.
        attempts: Failed attempts since the last success.
        error: Why the last attempt failed, in words.
        remedy: What to do about it.
        refused: Items that the store will never take.
        refusal: Why it refused the first of them.
    """

    store: str = ""
    run_id: str | None = None
    experiment_id: str | None = None
    offset: int = 0
    attempts: int = 0
    error: str | None = None
    remedy: str | None = None
    refused: int = 0
    refusal: str | None = None

    @classmethod
    def read(cls, directory: Path, store: str) -> Self:
        """Reads how far a journal went to a store.

        A missing or damaged file, and one about another store, is a fresh start.
        """
        state = cls._of_last_delivery(directory)
        return state if state is not None and state.store == store else cls(store=store)

    @classmethod
    def has_all(cls, directory: Path) -> bool:
        """Whether the store of the last delivery has the whole journal; reads nothing of it."""
        state = cls._of_last_delivery(directory)
        return state is not None and state.offset == (directory / FILE_NAME).stat().st_size

    @classmethod
    def _of_last_delivery(cls, directory: Path) -> Self | None:
        try:
            return cls(**json.loads((directory / STATE_NAME).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, directory: Path) -> None:
        """Replaces the file as a whole.

        Raises:
            OSError: If it cannot be written.
        """
        scratch = directory / f".{STATE_NAME}.{os.getpid()}"
        scratch.write_text(json.dumps(asdict(self)), encoding="utf-8")
        scratch.replace(directory / STATE_NAME)


def known_run_id(root: Path, key: str) -> str | None:
    """The MLflow run of a key, if its journal here was delivered to any store.

    Args:
        root: `artifacts.lasting_root()`.
        key: The run's own key.
    """
    state = DeliveryState._of_last_delivery(journal_directory(root, key))
    return None if state is None else state.run_id


def pending_events(directory: Path, store: str) -> int:
    """How many complete events of a journal the store does not have yet."""
    offset = DeliveryState.read(directory, store).offset
    try:
        with (directory / FILE_NAME).open("rb") as stream:
            stream.seek(offset)
            return sum(block.count(b"\n") for block in iter(lambda: stream.read(2**20), b""))
    except FileNotFoundError:
        return 0
