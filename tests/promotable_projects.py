"""A project in git whose studies can be promoted, and what the tests of promotion share."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config.compose import config_hash
from pipeline.config.schema import Config
from pipeline.errors import UserError
from pipeline.provenance import project_id
from pipeline.stages.compose import compose_checked
from pipeline.sweep.definition.composition import overrides_of
from pipeline.sweep.promotion.promoting import promote
from pipeline.sweep.study.records import StudyFacts, TrialFacts
from tests.stored_studies import SPACE, add_trial, make_study, study_facts

LR = {"optimizer.lr": 3.21e-05, "trainer.num_threads": 2}


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def make_promotable(repository: Path, folder: Path) -> Path:
    """Makes a project in git: the shipped `conf/` and `params.yaml`, and a sweep `lr`."""
    shutil.copytree(repository / "conf", folder / "conf")
    shutil.copy(repository / "params.yaml", folder)
    (folder / "sweeps").mkdir()
    text = yaml.safe_dump({"experiment": "sports_news", "space": SPACE})
    (folder / "sweeps" / "lr.yaml").write_text(text, encoding="utf-8")
    git(folder, "init", "--quiet", "--template=")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    return folder


def facts_of(root: Path, **changes: Any) -> StudyFacts:
    return study_facts(**{"project": project_id(root), **changes})


def store(root: Path, overrides: dict[str, Any], **changes: Any) -> Config:
    """Stores a study with one complete trial, and composes what the trial ran."""
    facts = facts_of(root, **changes)
    config = compose_checked([*facts.arguments, *overrides_of(overrides)], root)
    made_from = TrialFacts(overrides=overrides, config_hash=config_hash(config))
    study = make_study(root, facts)
    params = {key: value for key, value in overrides.items() if key != "trainer.num_threads"}
    seeds = {config.seed: {"accuracy": 0.9}}
    add_trial(study, params, [0.9], facts=made_from, seeds=seeds)
    return config


def promoted(root: Path, name: str = "lr_best") -> tuple[Config, Config]:
    """What the new experiment composes to, and what is pinned."""
    return compose_checked([f"experiment={name}"], root), compose_checked([], root)


def files(root: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for folder in (root / "conf", root / "params.yaml")
        for path in (folder, *folder.rglob("*"))
        if path.is_file()
    }


def refused(root: Path, words: str, **options: Any) -> UserError:
    """Promotion is refused in these words, and nothing is written."""
    before = files(root)
    with pytest.raises(UserError, match=words) as caught:
        promote("lr", [], root, **options)
    assert files(root) == before
    return caught.value
