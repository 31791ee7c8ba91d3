"""What a trial of the pipeline costs beyond its training and validation, from stored facts."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pipeline.sweep.layout import StudyLayout
from pipeline.sweep.study.records import StudyRecord
from pipeline.sweep.workers.jobs import JobResult
from pipeline.tracking.journal import journal_directory, read_entries


@dataclass(frozen=True)
class TrialTimes:
    """Seconds of one trial.

    Attributes:
        whole: From when the driver asked for it to when it asked for the next: the time for which
            it kept the worker, all waiting included.
        told: From when the driver asked for it to when the study was told how it ended.
        job: From when the worker had opened its run to its result.
        training: In training steps.
        validation: In validations, the best weights' copies included.
    """

    whole: float
    told: float
    job: float
    training: float
    validation: float

    @property
    def overhead(self) -> float:
        """All that is neither training nor validation."""
        return self.whole - self.training - self.validation

    @property
    def in_worker(self) -> float:
        """Of it: making the model, tracking, and what else the worker does for the trial."""
        return self.job - self.training - self.validation

    @property
    def told_overhead(self) -> float:
        """Of it: without what the driver does between two trials."""
        return self.told - self.training - self.validation


def trial_times(record: StudyRecord, layout: StudyLayout, root: Path) -> list[TrialTimes]:
    """The times of the trials of a study, the last left out, after which none was asked for.

    Args:
        record: A study that one worker ran in one go, with tracking and without pruning.
        layout: Its directory.
        root: The project's root.
    """
    found = []
    for trial, following in pairwise(record.trials):
        assert trial.began is not None
        assert trial.ended is not None
        assert following.began is not None
        key = f"{record.facts.run_key}-{trial.number:04d}"
        result = JobResult.read(layout.trial(trial.number).result, key)
        assert result is not None
        found.append(
            TrialTimes(
                whole=(following.began - trial.began).total_seconds(),
                told=(trial.ended - trial.began).total_seconds(),
                job=result.seconds,
                training=result.metrics["train_seconds"],
                validation=validation_seconds(root, key),
            )
        )
    return found


def validation_seconds(root: Path, key: str) -> float:
    """Time in validations of a tracked run.

    The metrics of all steps before a validation are written when it begins, its own when it ends;
    the journal has both times, in milliseconds.
    """
    total, before = 0.0, None
    for event, _ in read_entries(journal_directory(root, key)):
        if event["type"] != "metrics":
            continue
        if "val/loss" in event["metrics"]:
            assert before is not None
            total += (event["time"] - before) / 1_000
        elif "train/loss" in event["metrics"]:
            before = event["time"]
    return total


def summary(times: Sequence[TrialTimes]) -> list[tuple[str, float, float, float]]:
    """Median, mean and largest of each part, in seconds."""
    parts = {
        "trial, to the next one's beginning": [t.whole for t in times],
        "training": [t.training for t in times],
        "validation": [t.validation for t in times],
        "overhead": [t.overhead for t in times],
        "  of it until its end was told": [t.told_overhead for t in times],
        "  of it in the worker": [t.in_worker for t in times],
    }
    return [(name, statistics.median(v), statistics.mean(v), max(v)) for name, v in parts.items()]
