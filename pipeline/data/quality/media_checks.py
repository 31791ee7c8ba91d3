"""Checks of recordings and pictures, whatever is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config.data import QualityConfig
from pipeline.data.media_rows import UNREADABLE
from pipeline.data.quality.finding import Finding, count_of, finding, show


def unreadable(
    dropped: Mapping[str, int],
    kept: int,
    bad: Sequence[Mapping[str, Any]],
    config: QualityConfig,
) -> Finding:
    """Rows whose file is missing or damaged.

    Args:
        dropped: Rows left out, by reason.
        kept: Rows that were not left out.
        bad: File, row and reason of some of them.
        config: Thresholds.
    """
    count = dropped.get(UNREADABLE, 0)
    share = count / (kept + count) if count else 0.0
    return finding(
        "unreadable_share",
        "Missing and damaged files",
        share,
        config.unreadable_share,
        message=f"{count_of(count, 'row')} ({show(share, 'share')}) with a file that is missing or "
        "cannot be decoded, left out.",
        advice="Fetch these files again, or take their rows out; data.bad_media=error makes the "
        "first of them an error.",
        examples=[dict(one) for one in bad],
    )
