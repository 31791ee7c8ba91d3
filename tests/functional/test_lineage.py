from __future__ import annotations

import json
from pathlib import Path

from pipeline.artifacts import file_sha256
from pipeline.config.schema import TrackingConfig
from pipeline.tracking.marking import set_tags
from pipeline.tracking.reading import RunReader, RunRecord
from tests.functional.project import Project

SHORT = ("trainer.max_steps=3", "evaluation.num_bootstrap_samples=100")


def models(project: Project) -> list[RunRecord]:
    """The runs of trained models."""
    return RunReader(TrackingConfig(), project.root).latest(roles=("model",))


def worktrees(project: Project) -> int:
    return len(project.run("git", "worktree", "list").splitlines())


def test_a_run_with_uncommitted_changes_comes_out_equal_until_its_records_are_changed(
    tracked: Project,
) -> None:
    tracked.edit("pipeline/training/schedules.py", "from __future__", "# Changed.\nfrom __future__")
    tracked.edit("params.yaml", "lr: 0.001", "lr: 0.002")
    # A process of its own: the baselines' last bits depend on the threads that others left set.
    tracked.pipeline("evaluate", "seed=3", *SHORT)
    tracked.run("git", "checkout", "--quiet", "--", ".")
    (run,) = models(tracked)
    assert run.tags["git.dirty"] == "true"
    out = tracked.call("reproduce", run.run_id[:8])
    assert "with its uncommitted changes" in out
    assert "3/3 evaluate" in out
    assert "equal, bit for bit" in out
    assert "differs" not in out
    assert (worktrees(tracked), len(models(tracked))) == (1, 1)
    assert "reproduced  equal, bit for bit" in tracked.call("runs", "show", run.run_id)

    (metrics,) = (tracked.root / "mlruns").glob("*/*/artifacts/evaluation/metrics.json")
    values = json.loads(metrics.read_text(encoding="utf-8"))
    values["test"]["accuracy"]["value"] += 0.25
    metrics.write_text(json.dumps(values), encoding="utf-8")
    set_tags(TrackingConfig(), tracked.root, run.run_id, {"weights.sha256": "0" * 64})
    out = tracked.call("reproduce", run.run_id, code=1)
    assert "not equal: weights and metrics" in out
    assert "differ: test.accuracy -0.25" in out
    assert worktrees(tracked) == 2
    shown = tracked.call("runs", "show", run.run_id)
    assert "reproduced  not equal: weights and metrics" in shown


def test_a_run_on_data_outside_of_git_that_was_never_evaluated(
    tracked: Project, tmp_path: Path
) -> None:
    corpus = tracked.root / "data" / "newsroom" / "newsroom.jsonl"
    outside = tmp_path / "elsewhere" / "news.jsonl"
    outside.parent.mkdir()
    corpus.rename(outside)
    corpus.with_name("newsroom.jsonl").write_text("", encoding="utf-8")
    tracked.commit("The corpus lies elsewhere")
    files = f"data.files={{all:{{path:../elsewhere/news.jsonl,sha256:{file_sha256(outside)}}}}}"
    tracked.call("train", files, *SHORT)
    (run,) = models(tracked)
    out = tracked.call("reproduce", run.run_id)
    assert "2/2 train" in out
    assert "equal, bit for bit" in out
    assert worktrees(tracked) == 1
    assert outside.is_file()
    outside.write_text(outside.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    out = tracked.call("reproduce", run.run_id, code=1)
    assert "not the file that the config pins" in out
