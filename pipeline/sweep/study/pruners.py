"""Optuna's pruners, as the settings ask for them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from pipeline.sweep.definition.settings import PrunerSettings

if TYPE_CHECKING:
    from optuna.pruners import BasePruner


def make_pruner(settings: PrunerSettings, *, validations: int | None = None) -> BasePruner:
    """Makes the pruner of a study that is asked and told.

    Its steps are the numbers of validations, from 1 (for wilcoxon, of seeds). A pruner decides from
    the storage alone, so that a study that was interrupted prunes as one that was not; hyperband
    does so where the number of validations is given.

    Wilcoxon over n seeds can have no p-value below 2 to the power of -n: with the default
    threshold of 0.1 it prunes after four seeds at the earliest, and so saves work from five on.

    Args:
        settings: The settings.
        validations: The most validations that a trial of the study has, for hyperband; by default
            it learns them from the first complete trials, and prunes none before.
    """
    from optuna import pruners
    from optuna.exceptions import ExperimentalWarning

    startup, warmup = settings.n_startup_trials, settings.n_warmup_steps
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match settings.kind:
            case "none":
                return pruners.NopPruner()
            case "median":
                # Optuna numbers steps from 0 and compares with the first that may be pruned.
                return pruners.MedianPruner(startup, warmup + 1)
            case "percentile":
                return pruners.PercentilePruner(settings.percentile, startup, warmup + 1)
            case "successive_halving":
                return pruners.SuccessiveHalvingPruner(
                    min_resource=settings.min_resource, reduction_factor=settings.reduction_factor
                )
            case "hyperband":
                return pruners.HyperbandPruner(
                    min_resource=settings.min_resource,
                    max_resource="auto" if validations is None else validations,
                    reduction_factor=settings.reduction_factor,
                )
            case "wilcoxon":
                return pruners.WilcoxonPruner(p_threshold=settings.p_threshold)
