"""Results of jobs, as workers give them."""

from __future__ import annotations

from pipeline.sweep.workers.jobs import Job, JobResult, SeedResult


def complete(job: Job, value: float, **metrics: float) -> JobResult:
    """Every seed came to this accuracy."""
    seeds = tuple(
        SeedResult(
            run_key=job.run_key,
            seed=seed,
            metrics={"accuracy": value, **metrics},
            steps=10,
            best_step=10,
            dataset_fingerprint="f",
        )
        for seed in job.seeds
    )
    return JobResult(run_key=job.run_key, state="complete", seeds=seeds)


def failed(job: Job, reason: str = "it diverged") -> JobResult:
    """Training failed."""
    return JobResult(run_key=job.run_key, state="failed", reason=reason)
