"""Opens the study of a sweep: made anew, or gone on with if it is the same search."""

from __future__ import annotations

import datetime
import shutil
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import replace_directory
from pipeline.config.compose import config_hash
from pipeline.config.overrides import PARAMS_FILE
from pipeline.errors import UserError
from pipeline.provenance import git_state, project_id
from pipeline.sweep.definition.checking import Checked
from pipeline.sweep.definition.loading import Sweep
from pipeline.sweep.layout import StudyLayout
from pipeline.sweep.study.pruners import make_pruner
from pipeline.sweep.study.records import STUDY_FACTS, STUDY_PLAN, StudyFacts, StudyPlan
from pipeline.sweep.study.samplers import make_sampler
from pipeline.sweep.study.storage import load_or_create, open_storage

if TYPE_CHECKING:
    from optuna import Study

_LENGTH_KEYS = {"trainer.max_epochs", "trainer.max_steps", "trainer.validations_per_epoch"}


def open_study(
    sweep: Sweep, checked: Checked, layout: StudyLayout, root: Path
) -> tuple[Study, StudyFacts]:
    """Makes the study, or goes on with the one of that name.

    Args:
        sweep: What is searched.
        checked: The same, checked.
        layout: The study's directory.
        root: The project's root.

    Returns:
        The study with its sampler and pruner, and what it was made from.

    Raises:
        UserError: If a study of that name searches something else.
        EnvironmentProblem: If the storage cannot be reached.
    """
    settings = sweep.settings
    storage = open_storage(settings.storage, layout.journal)
    study = load_or_create(
        storage, settings.study, [direction for _, direction in checked.objectives]
    )
    text = study.user_attrs.get(STUDY_FACTS)
    if text is None:
        facts = _new_facts(sweep, checked, root)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # names are experimental; Optuna's dashboard shows them
            study.set_metric_names([metric for metric, _ in checked.objectives])
        study.set_user_attr(STUDY_FACTS, facts.model_dump_json())
    else:
        facts = StudyFacts.model_validate_json(text)
        if facts.identity != checked.identity:
            raise _other_search(sweep, facts, layout)
    plan = StudyPlan(n_trials=settings.n_trials, workers=settings.workers)
    study.set_user_attr(STUDY_PLAN, plan.model_dump_json())
    study.sampler = make_sampler(
        settings.sampler,
        settings.space,
        conditional=settings.conditional,
        num_objectives=len(checked.objectives),
    )
    study.pruner = make_pruner(settings.pruning, validations=_validations(sweep, checked))
    return study, facts


def _new_facts(sweep: Sweep, checked: Checked, root: Path) -> StudyFacts:
    default = checked.default
    git = git_state(root)
    return StudyFacts(
        settings=sweep.settings,
        arguments=sweep.arguments,
        identity=checked.identity,
        objectives=checked.objectives,
        run_key=uuid.uuid4().hex,
        experiment=default.experiment,
        mlflow_experiment=default.mlflow_experiment,
        default_config_hash=config_hash(default),
        git_revision=git.revision,
        git_dirty=git.dirty,
        project=project_id(root),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _other_search(sweep: Sweep, facts: StudyFacts, layout: StudyLayout) -> UserError:
    name = sweep.settings.study
    return UserError(
        f"the study {name} of {facts.created} searches something else than {sweep.source} does "
        "now: its space, objectives, seeds, or the configuration it starts from differ, so their "
        "trials cannot be compared",
        remedy=f"give the new search a name of its own (study={name}_2), or undo the change; "
        f"to begin anew, remove {layout.root if sweep.settings.storage is None else 'the study'}",
    )


def _validations(sweep: Sweep, checked: Checked) -> int | None:
    """The validations of a trial; None where the search varies them."""
    if _LENGTH_KEYS & {*sweep.settings.space, *sweep.settings.derived}:
        return None
    trainer = checked.default.trainer
    return None if trainer.max_steps else trainer.max_epochs * trainer.validations_per_epoch


def freeze_configuration(layout: StudyLayout, root: Path) -> Path:
    """Copies what trials are composed from, so that edits do not change a search that runs.

    Returns:
        A directory that serves as the root of compositions.
    """
    with replace_directory(layout.frozen) as fresh:
        shutil.copytree(root / "conf", fresh / "conf")
        if (root / PARAMS_FILE).is_file():
            shutil.copy(root / PARAMS_FILE, fresh)
    return layout.frozen
