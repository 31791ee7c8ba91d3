"""The trained model that a word on the command line means."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.comparison.loading import SEARCHING, title
from pipeline.comparison.selecting import expand
from pipeline.errors import UserError
from pipeline.tracking.reading import RunReader, RunRecord

_MOST_NAMED = 10


def find_model_run(reader: RunReader, word: str) -> RunRecord:
    """The run that trained one model and logged it.

    Args:
        reader: Reads the store.
        word: As `RunReader.find` takes it; a parent of one model stands for it.

    Raises:
        UserError: If the word means no run or several models, or the run logged no model.
    """
    record = reader.find(word)
    if record.role in SEARCHING:
        raise UserError(
            f"{title(record)} belongs to a sweep, whose models are not kept",
            remedy="pin its best trial with `python -m pipeline sweep promote`, run `dvc repro`, "
            "then register that run",
        )
    models = expand(reader, record)
    if len(models) > 1:
        raise UserError(
            _several(record, models),
            remedy="`python -m pipeline compare` with their ids compares them; register one",
        )
    (model,) = models
    if not model.model_ids:
        raise _without_model(model)
    return model


def logged_model(record: RunRecord) -> str:
    """The model that a run logged last; its id."""
    return record.model_ids[-1]


def _several(parent: RunRecord, models: Sequence[RunRecord]) -> str:
    lines = [
        f"  {run.run_id}  seed {run.tags.get('seed', '?')}  {run.name}"
        for run in models[:_MOST_NAMED]
    ]
    if len(models) > _MOST_NAMED:
        lines.append(f"  and {len(models) - _MOST_NAMED} more")
    return f"{title(parent)} holds {len(models)} models, and a version is one:\n" + "\n".join(lines)


def _without_model(record: RunRecord) -> UserError:
    if record.status == "RUNNING":
        return UserError(
            f"{title(record)} has logged no model yet: it is still going on",
            remedy="wait for its end",
        )
    return UserError(
        f"{title(record)} has logged no model ({record.status.lower()})",
        remedy="train it again with tracking.log_model=true, then register that run",
    )
