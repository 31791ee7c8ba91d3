"""Where a study is kept: a journal file, a database, or a proxy before one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UserError, did_you_mean
from pipeline.sweep.definition.settings import Direction
from pipeline.sweep.study.databases import DATABASES, open_database, open_proxy, storage_problems
from pipeline.tracking.secrets import Redactor

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage


def open_storage(url: str | None, journal: Path, *, must_exist: bool = False) -> BaseStorage:
    """Opens the storage of a study, and makes it where it is not there.

    Any number of processes may open one at once; those of a journal are on one machine. Optuna's
    heartbeats are off, since they work only where Optuna runs the trials. Optuna itself is told to
    print warnings only.

    Args:
        url: `postgresql://…`, `mysql://…` or `grpc://host:port`; None for the journal.
        journal: The journal's file; its directory is made.
        must_exist: Whether a journal that is not there is an error: for what only reads.

    Raises:
        UserError: If the URL is of another kind, or the file is no journal or a damaged one.
        EnvironmentProblem: If the storage cannot be reached or written, or a package is missing.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is None:
        return _open_journal(journal, must_exist=must_exist)
    kind = url.partition("://")[0].partition("+")[0]
    if kind in DATABASES:
        return open_database(url)
    if kind == "grpc":
        return open_proxy(url)
    if kind == "sqlite":
        raise UserError(
            f"storage {url}: SQLite fails when several processes begin a study at once",
            remedy="leave `storage` out: the journal serves all processes of one machine; "
            "several machines need a database server",
        )
    kinds = [f"{known}://" for known in (*DATABASES, "grpc")]
    raise UserError(
        f"storage {Redactor().text(url)} is of no known kind",
        remedy=did_you_mean(f"{kind}://", kinds),
    )


def load_or_create(storage: BaseStorage, name: str, directions: Sequence[Direction]) -> Study:
    """The study of a name, made if there is none; several processes may call it at once.

    The study has Optuna's default sampler and pruner until it is given others.

    Raises:
        UserError: If it exists with other directions.
    """
    import optuna

    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        study = optuna.create_study(
            study_name=name, storage=storage, directions=list(directions), load_if_exists=True
        )
    found = [direction.name.lower() for direction in study.directions]
    if found != list(directions):
        raise UserError(
            f"study {name} exists and has the directions {', '.join(found)}, "
            f"not {', '.join(directions)}",
            remedy="give the sweep another name (`study=…`)",
        )
    return study


def load(storage: BaseStorage, name: str) -> Study:
    """The study of a name.

    Raises:
        UserError: If there is none.
    """
    import optuna

    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        names = optuna.get_all_study_names(storage)
        raise UserError(
            f"the storage has no study {name!r}", remedy=did_you_mean(name, names)
        ) from None


def _open_journal(path: Path, *, must_exist: bool) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    from pipeline.sweep.study.journal_lock import JournalLock, is_journal

    if must_exist and not path.is_file():
        studies = [journal.parent.name for journal in path.parent.parent.glob(f"*/{path.name}")]
        raise UserError(
            f"there is no study {path.parent.name!r}: {path} does not exist",
            remedy=did_you_mean(path.parent.name, studies),
        )
    with storage_problems(None):
        path.parent.mkdir(parents=True, exist_ok=True)
        backend = JournalFileBackend(str(path), lock_obj=JournalLock(path))
        if not is_journal(path):
            raise UserError(
                f"{path} is not a journal of Optuna", remedy="move it away, or restore it"
            )
        try:
            return JournalStorage(backend)
        except (ValueError, KeyError, TypeError, AssertionError) as error:
            raise UserError(
                f"the journal {path} is damaged: {error}",
                remedy="restore it from a copy, or move it away and begin the study anew",
            ) from error
