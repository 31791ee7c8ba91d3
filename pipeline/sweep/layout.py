"""Where the files of a study lie: `runs/sweeps/<study>/`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import Outputs

SWEEPS = Path("sweeps")
"""One sweep a file, from the root."""


@dataclass(frozen=True)
class StudyLayout:
    """The directory of one study.

    Args:
        root: The directory.
    """

    root: Path

    @classmethod
    def of(cls, root: Path, study: str) -> StudyLayout:
        """The directory of a study below a project's root."""
        return cls(root / "runs" / "sweeps" / study)

    @property
    def journal(self) -> Path:
        """Optuna's journal, unless the study has another storage."""
        return self.root / "study.journal"

    @property
    def driver_lock(self) -> Path:
        """Held by the command that runs the sweep."""
        return self.root / ".driver.lock"

    @property
    def frozen(self) -> Path:
        """A copy of `conf/` and `params.yaml`, from which the trials of a command are composed."""
        return self.root / "frozen"

    @property
    def report(self) -> Path:
        """The directory of the report: `report.html`, `report.md` and their pictures."""
        return self.root / "report"

    @property
    def comparison(self) -> Path:
        """The best trial beside the default configuration, JSON."""
        return self.root / "comparison.json"

    def trial(self, number: int) -> JobLayout:
        """The directory of a trial."""
        return JobLayout(self.root / "trials" / f"{number:04d}")

    def confirmation(self, name: str, seed: int) -> JobLayout:
        """The directory of one training of the comparison.

        Args:
            name: `best-<trial number>` or `default`.
            seed: The seed.
        """
        return JobLayout(self.root / "confirm" / f"{name}-seed{seed}")


@dataclass(frozen=True)
class JobLayout:
    """The directory of one job of a worker.

    Args:
        root: The directory.
    """

    root: Path

    @property
    def result(self) -> Path:
        """What came of it, JSON; written as a whole before anything else is told of the end."""
        return self.root / "result.json"

    def seed_result(self, seed: int) -> Path:
        """What came of the training with one seed, JSON."""
        return self.root / f"seed{seed}" / "result.json"

    @property
    def log(self) -> Path:
        """What the worker printed."""
        return self.root / "log.txt"

    def outputs(self, seed: int, dataset: Path) -> Outputs:
        """The files of the training with one seed.

        Args:
            seed: The seed.
            dataset: The prepared dataset, shared with other trials.
        """
        return Outputs(self.root / f"seed{seed}", prepared=dataset)
