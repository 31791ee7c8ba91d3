from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from pipeline.config.compose import config_hash
from pipeline.provenance import project_id
from pipeline.stages.compose import compose_checked
from pipeline.sweep.definition.composition import overrides_of
from pipeline.sweep.layout import StudyLayout
from pipeline.sweep.promotion.experiment_file import comparable
from pipeline.sweep.promotion.pinning import pin
from pipeline.sweep.promotion.promoting import promote
from pipeline.sweep.study.records import TrialFacts
from tests.promotable_projects import LR, facts_of, files, git, promoted, refused, store
from tests.stored_studies import add_trial, make_study, settings


@pytest.fixture
def root(promotable: Path, tmp_path: Path) -> Path:
    """A copy of a project whose study can be promoted."""
    return Path(shutil.copytree(promotable, tmp_path / "project"))


def test_the_file_is_short_and_says_where_it_comes_from(root: Path) -> None:
    facts = facts_of(root)
    overrides = {**LR, "scheduler.warmup_ratio": 0.2}
    config = compose_checked([*facts.arguments, *overrides_of(overrides)], root)
    made_from = TrialFacts(overrides=overrides, config_hash=config_hash(config))
    seeds = {0: {"accuracy": 0.8125}, 1: {"accuracy": 0.9375}}
    study = make_study(root, facts)
    add_trial(study, {"optimizer.lr": 3.21e-05}, [0.875], facts=made_from, seeds=seeds)
    lines = promote("lr", [], root).read_text(encoding="utf-8").splitlines()
    comment = "\n".join(lines[: lines.index("defaults:")])
    assert lines[0] == "# @package _global_"
    assert lines[1] == "# Trial 0 of the sweep lr: accuracy 0.8750."
    assert "# searched:   optimizer.lr=3.21e-05" in lines
    assert "# validation: accuracy 0.875 (maximize)" in lines
    assert "the mean over the seeds 0, 1" in comment
    assert "accuracy 0.8125 with seed 0, pinned here" in comment
    assert "b" * 40 in comment
    assert "f" * 64 in comment
    assert " UTC" in comment
    assert "trainer.num_threads is that of the trial" in comment
    assert yaml.safe_load("\n".join(lines)) == {
        "defaults": [
            {"override /data": "newsroom_sports"},
            {"override /task": "text_classification"},
            {"override /model": "minilm"},
            {"override /method": "frozen_prefix"},
        ],
        "seed": 0,
        "task": {"options": {"label_smoothing": 0.1}},
        "optimizer": {"lr": 3.21e-05},
        "scheduler": {"warmup_ratio": 0.2},
        "trainer": {"max_tokens_per_batch": 512, "num_threads": 2},
        "export": {"licence": "apache-2.0"},
    }


def test_the_best_feasible_trial_is_taken_unless_another_is_named(root: Path) -> None:
    facts = facts_of(root)
    study = make_study(root, facts)
    for lr, accuracy, broken in ((1e-4, 0.8, -1.0), (2e-4, 0.9, -1.0), (3e-4, 0.99, 1.0)):
        config = compose_checked([*facts.arguments, f"optimizer.lr={lr}"], root)
        made_from = TrialFacts(overrides={"optimizer.lr": lr}, config_hash=config_hash(config))
        add_trial(study, {}, [accuracy], facts=made_from, constraints={"latency_ms": broken})
    promote("lr", [], root)
    assert promoted(root)[1].optimizer.lr == 2e-4
    promote("lr", [], root, trial=0, experiment="cautious")
    assert promoted(root, "cautious")[1].optimizer.lr == 1e-4
    error = refused(root, r"infeasible \(breaks latency_ms by 1\.0000\)", trial=2)
    assert "--trial" in str(error)
    refused(root, "no trial 3", trial=3)


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("PRUNED", "worse than the median", r"pruned \(worse than the median\)"),
        ("FAIL", "out of memory\nat step 3", r"failed \(out of memory\)"),
        ("RUNNING", "", "is running"),
        ("WAITING", "", "is waiting"),
    ],
)
def test_only_a_complete_trial_is_promoted(root: Path, state: str, reason: str, words: str) -> None:
    add_trial(make_study(root, facts_of(root)), {}, state=state, reason=reason)
    refused(root, words, trial=0)
    refused(root, "no complete, feasible trial")


def test_of_several_objectives_the_front_is_listed_to_choose_from(root: Path) -> None:
    objectives = (("accuracy", "maximize"), ("latency_ms", "minimize"))
    store(root, LR, objectives=objectives[:1], settings=settings("one"))
    facts = facts_of(root, objectives=objectives)
    config = compose_checked([*facts.arguments, *overrides_of(LR)], root)
    made_from = TrialFacts(overrides=LR, config_hash=config_hash(config))
    study = make_study(root, facts)
    for values in ([0.8, 2.0], [0.9, 20.0], [0.7, 30.0]):
        add_trial(study, LR, values, facts=made_from)
    error = refused(root, "several objectives")
    assert "trial 0: accuracy 0.8000, latency_ms 2.0000" in str(error)
    assert "trial 1: accuracy 0.9000, latency_ms 20.00" in str(error)
    assert "trial 2" not in str(error)
    promote("lr", [], root, trial=1)
    assert promoted(root)[0].optimizer.lr == 3.21e-05


def test_a_trial_of_a_changed_tree_is_promoted_only_when_told_to(root: Path) -> None:
    facts = facts_of(root)
    config = compose_checked([*facts.arguments, *overrides_of(LR)], root)
    made_from = TrialFacts(overrides=LR, config_hash=config_hash(config))
    study = make_study(root, facts)
    add_trial(study, LR, [0.8], facts=made_from, dirty=None)
    add_trial(study, LR, [0.9], facts=made_from, dirty=True)
    refused(root, "with uncommitted changes")
    refused(root, "nobody knows from which source", trial=0)
    promote("lr", [], root, allow_dirty=True)
    assert promoted(root)[1].optimizer.lr == 3.21e-05
    assert "with uncommitted changes" in (root / "conf/experiment/lr_best.yaml").read_text()


def test_a_study_that_was_begun_in_a_changed_tree_is_one_too(root: Path) -> None:
    store(root, LR, git_dirty=True)
    refused(root, "begun with uncommitted changes")


def test_a_study_of_another_repository_is_promoted_only_when_told_to(root: Path) -> None:
    store(root, LR, project="0" * 40)
    refused(root, "another repository")
    promote("lr", [], root, allow_foreign=True)
    assert promoted(root)[1].optimizer.lr == 3.21e-05


def test_a_study_without_a_sweep_file_is_promoted_only_when_told_to(root: Path) -> None:
    store(root, LR)
    (root / "sweeps" / "lr.yaml").unlink()
    refused(root, "no file for it")
    promote("lr", [], root, allow_foreign=True)
    assert promoted(root)[1].optimizer.lr == 3.21e-05


def test_a_trial_whose_conf_has_changed_is_refused_with_its_revision(root: Path) -> None:
    store(root, LR)
    path = root / "conf" / "experiment" / "sports_news.yaml"
    path.write_text(path.read_text().replace("max_epochs: 5", "max_epochs: 6"))
    assert f"git checkout {'b' * 40}" in str(refused(root, "can no longer be composed"))
    path.unlink()
    assert "has no option 'sports_news'" in str(refused(root, "can no longer be composed"))


def test_promoting_twice_needs_no_flag_where_nothing_changes(root: Path) -> None:
    store(root, LR)
    promote("lr", [], root)
    once = files(root)
    promote("lr", [], root)
    promote("lr", [], root, overwrite=True)
    assert files(root) == once


def test_a_sweep_of_the_pinned_experiment_can_be_promoted_again(root: Path) -> None:
    (root / "params.yaml").write_text("experiment: newsroom_ner\nseed: 0\n")
    trial = store(root, LR, arguments=(), experiment="newsroom_ner")
    promote("lr", [], root)
    once = files(root)
    promote("lr", [], root, overwrite=True)
    assert files(root) == once
    assert comparable(promoted(root)[0]) == comparable(trial)


def test_an_earlier_promotion_is_replaced_only_when_told_to(root: Path) -> None:
    store(root, LR)
    file = promote("lr", [], root)
    file.write_text(file.read_text() + "# a remark\n")
    assert "--overwrite" in str(refused(root, "earlier promotion"))
    promote("lr", [], root, overwrite=True)
    assert "a remark" not in file.read_text()


def test_an_experiment_that_no_promotion_wrote_is_never_replaced(root: Path) -> None:
    store(root, LR)
    refused(root, "no promotion wrote it", experiment="newsroom_topic", overwrite=True)
    refused(root, "start from experiment", experiment="sports_news", overwrite=True)


@pytest.mark.parametrize("name", ["../x", "a b", "", "null", "True", "default", "12", "1e5", ".x"])
def test_a_name_that_is_no_file_name_or_no_word_is_refused(root: Path, name: str) -> None:
    store(root, LR)
    refused(root, "cannot be called", experiment=name)


@pytest.mark.parametrize("name", ["v1.2-lr", "2026_lr"])
def test_names_with_dots_dashes_and_digits_work(root: Path, name: str) -> None:
    store(root, LR)
    promote("lr", [], root, experiment=name)
    assert promoted(root, name)[1].experiment == name


def test_what_params_held_is_told_and_its_comments_stay(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = root / "params.yaml"
    header = params.read_text(encoding="utf-8").partition("\nexperiment:")[0] + "\n"
    params.write_text(
        header + "experiment: newsroom_ner  # pinned\nseed: 3\nmodel: gpt2\n"
        "optimizer:\n  lr: 0.5\ntrainer: {}\ntracking: server\n",
        encoding="utf-8",
    )
    store(root, LR)
    promote("lr", [], root)
    assert params.read_text(encoding="utf-8") == (
        header + "experiment: lr_best  # pinned\nseed: 0\nmodel: {}\n"
        "optimizer: {}\ntrainer: {}\ntracking: server\n"
    )
    told = capsys.readouterr().err
    assert 'model=gpt2 optimizer={"lr": 0.5}' in told
    assert "conf/experiment/lr_best.yaml" in told
    assert "dvc repro" in told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# only a remark\n", "# only a remark\nexperiment: x\nseed: 7\n"),
        ("model:\nseed: 7\n", "experiment: x\nmodel: {}\nseed: 7\n"),
        ("experiment: a\nseed: 1 # s\nfoo: [1]\n", "experiment: x\nseed: 7 # s\nfoo: [1]\n"),
        (
            "experiment: a\nseed: 1\ntask:\n  options:\n    a: [1,\n  2] # two\n\n# d\ndata: {}\n",
            "experiment: x\nseed: 7\ntask: {}\n\n# d\ndata: {}\n",
        ),
        ("# h\n{experiment: a, model: b}\n", "# h\nexperiment: x\nseed: 7\nmodel: {}\n"),
        (
            "x: &a {lr: 1}\noptimizer: *a\n",
            "experiment: x\nseed: 7\nx:\n  lr: 1\noptimizer: {}\n",
        ),
    ],
)
def test_params_are_edited_where_they_stand(text: str, expected: str) -> None:
    assert pin(text, "x", 7)[0] == expected


def test_a_project_without_params_gets_them(root: Path) -> None:
    store(root, LR)
    (root / "params.yaml").unlink()
    promote("lr", [], root)
    assert promoted(root)[1].experiment == "lr_best"


@pytest.mark.parametrize("text", ["model: [", "- a\n"])
def test_params_that_are_no_mapping_are_refused(root: Path, text: str) -> None:
    store(root, LR)
    (root / "params.yaml").write_text(text)
    refused(root, r"params\.yaml")


def test_a_study_that_was_not_started_is_refused(root: Path) -> None:
    refused(root, "not been started")
    assert not StudyLayout.of(root, "lr").root.exists()


def test_clones_are_one_project_and_other_repositories_are_not(root: Path, tmp_path: Path) -> None:
    first = project_id(root)
    clone, other, shallow = (tmp_path / name for name in ("clone", "other", "shallow"))
    git(tmp_path, "clone", "--quiet", str(root), str(clone))
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "second")
    assert first is not None
    assert project_id(clone) == first
    other.mkdir()
    git(other, "init", "--quiet")
    assert project_id(other) is None
    git(other, "commit", "--quiet", "--allow-empty", "--message", "another")
    assert project_id(other) not in {None, first}
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{clone}", str(shallow))
    assert project_id(shallow) is None
