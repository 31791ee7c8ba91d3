"""Checks of recordings and pictures, whatever is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.config.data import QualityConfig
from pipeline.data.media_rows import UNREADABLE
from pipeline.data.quality.finding import Finding, count_of, finding, show
from pipeline.tasks.columns import file_names


def files_of(rows: pa.Table, row: int) -> dict[str, str]:
    """The files of a row for a finding's examples; nothing where the row's id says them."""
    names = [name for name in file_names(rows, row) if name != rows["id"][row].as_py()]
    return {"file": ", ".join(names)} if names else {}


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
