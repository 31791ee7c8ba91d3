"""A study that exists, found by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from pydantic import ValidationError

from pipeline.errors import UserError, did_you_mean
from pipeline.sweep.definition.loading import load_sweep
from pipeline.sweep.definition.settings import SweepSettings
from pipeline.sweep.layout import SWEEPS, StudyLayout
from pipeline.sweep.study.records import StudyRecord, TrialRecord, read_study
from pipeline.sweep.study.storage import load, open_storage

if TYPE_CHECKING:
    from optuna import Study

_STORAGE = "storage="


@dataclass(frozen=True)
class StoredStudy:
    """A study that exists.

    Attributes:
        study: Optuna's view of it; it reads the storage anew at each look.
        layout: Its directory, which need not be there for a study of another machine.
        settings: What its file and the arguments say now; None without a file.
        storage: The storage's address; None for the journal.
        known: Trials that had ended when it was last read.
    """

    study: Study
    layout: StudyLayout
    settings: SweepSettings | None
    storage: str | None
    known: dict[int, TrialRecord] = field(default_factory=dict)

    def read(self) -> StudyRecord:
        """Reads it as it is now.

        Raises:
            UserError: If this pipeline did not make it, or another version did.
        """
        try:
            return read_study(self.study, self.known)
        except (KeyError, ValidationError):
            raise UserError(
                f"the storage has a study {self.study.study_name!r}, but this version of the "
                "pipeline did not make it",
                remedy="look at it with optuna-dashboard, or check out the version that made it",
            ) from None

    @property
    def is_driven(self) -> bool:
        """Whether a command of this machine runs the sweep."""
        lock = self.layout.driver_lock
        if not lock.is_file():
            return False
        try:
            with FileLock(lock, timeout=0):
                return False
        except Timeout:
            return True


def find_study(name: str, arguments: Sequence[str], root: Path) -> StoredStudy:
    """Opens a study that exists; nothing is made.

    Args:
        name: A file of `sweeps/`, or a study whose file is gone: then its journal is read, or the
            storage that an argument `storage=…` names.
        arguments: Overrides, as the sweep was started with.
        root: The project's root.

    Raises:
        UserError: If there is no such sweep, or it was never started.
    """
    name = name.removeprefix(f"{SWEEPS}/").removesuffix(".yaml")
    settings: SweepSettings | None = None
    study, url = name, _storage_of(arguments)
    if (root / SWEEPS / f"{name}.yaml").is_file():
        settings = load_sweep(name, arguments, root).settings
        study, url = settings.study, settings.storage
    layout = StudyLayout.of(root, study)
    if url is None and not layout.journal.is_file():
        if settings is None:
            raise UserError(
                f"there is neither a sweep {SWEEPS / name}.yaml nor a study of that name",
                remedy=did_you_mean(name, _known(root)),
            )
        raise _not_started(name, study)
    storage = open_storage(url, layout.journal, must_exist=True)
    try:
        found = load(storage, study)
    except UserError:
        if settings is None:
            raise
        raise _not_started(name, study) from None
    return StoredStudy(found, layout, settings, url)


def _storage_of(arguments: Sequence[str]) -> str | None:
    named = [text.removeprefix(_STORAGE) for text in arguments if text.startswith(_STORAGE)]
    return named[-1].strip("'\"") if named else None


def _known(root: Path) -> set[str]:
    files = {path.stem for path in (root / SWEEPS).glob("*.yaml")}
    journals = StudyLayout.of(root, "*").journal.relative_to(root)
    return files | {path.parent.name for path in root.glob(str(journals))}


def _not_started(name: str, study: str) -> UserError:
    return UserError(
        f"the study {study} has not been started",
        remedy=f"start it with `python -m pipeline sweep {name}`",
    )
