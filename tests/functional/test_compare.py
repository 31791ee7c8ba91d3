"""Real trainings compared through the command line, as a user types it."""

from __future__ import annotations

import re

import pytest

from tests.functional.project import Project

pytestmark = [pytest.mark.functional, pytest.mark.slow]


def test_trained_configurations_are_compared_over_their_seeds(tracked: Project) -> None:
    trainer = {"max_epochs": 3, "max_tokens_per_batch": 1024, "num_threads": 1}
    tracked.set_params(trainer=trainer, tracking={"log_model": False})
    tracked.call("evaluate", "optimizer.lr=1e-6", "seeds=2")
    tracked.call("evaluate", "optimizer.lr=1e-2", "seeds=2")

    shown = tracked.call("compare", "--html", "report.html")
    verdict, *_ = shown.splitlines()
    assert verdict.startswith("A is better than B by ")
    assert re.search(r"^ *A +\S.* 0, 1 ", shown, re.MULTILINE)
    assert re.search(r"^ *B +\S.* 0, 1 ", shown, re.MULTILINE)
    assert re.search(r"^ *optimizer.lr +0.01 +1e-06 *$", shown, re.MULTILINE)
    assert "tokens trained on" in shown
    assert (tracked.root / "report.html").read_text(encoding="utf-8").count("<html") == 1

    ids = re.findall(r"\b[0-9a-f]{8}\b", shown)
    new, old = ids[:2], ids[2:4]
    alone = tracked.call("compare", old[0], new[0], "--metric", "f1_macro")
    assert "(f1_macro; newsroom_sports, 158 test examples" in alone
    assert "With one seed of each" in alone
    siblings = tracked.call("compare", *new)
    assert "the same configuration and code" in siblings

    assert "accuracy by seed" in shown

    tracked.call("evaluate", "data.split.seed=7", "trainer.max_steps=2")
    left_out = tracked.call("compare", code=2)
    assert "measured on other test data" in left_out
    other = re.search(r"test predictions of one configuration only \(\S+ \((\w{8})\)", left_out)
    assert other is not None, left_out
    refused = tracked.call("compare", new[0], other[1], code=2)
    assert "were measured on different test data: " in refused


def test_nothing_tracked_is_said_with_what_to_do(project: Project) -> None:
    shown = project.call("compare", code=2)
    assert "there are no tracked runs yet" in shown
    assert "dvc repro" in shown
