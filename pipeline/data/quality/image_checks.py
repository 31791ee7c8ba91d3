"""Checks of pictures: too small to show anything, or of a shape that resizing distorts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.config.data import QualityConfig, Threshold
from pipeline.data.quality.checks import NUM_EXAMPLES
from pipeline.data.quality.finding import Finding, count_of, finding, show
from pipeline.data.quality.media_checks import files_of

SMALLEST_SIDE = 8
"""A picture with a shorter side is tiny."""
LARGEST_ASPECT = 4.0
"""A picture whose longer side is more times the shorter one is long."""


def image_findings(splits: Mapping[str, pa.Table], config: QualityConfig) -> list[Finding]:
    """What is odd about pictures; nothing for rows without the columns `width` and `height`."""
    if not all({"width", "height"} <= set(table.column_names) for table in splits.values()):
        return []
    sizes = {
        name: (table["width"].to_numpy().astype(float), table["height"].to_numpy().astype(float))
        for name, table in splits.items()
    }
    tiny = {name: np.minimum(*pair) < SMALLEST_SIDE for name, pair in sizes.items()}
    long = {
        name: np.maximum(*pair) > LARGEST_ASPECT * np.minimum(*pair) for name, pair in sizes.items()
    }
    return [
        _finding(
            "tiny_image_share",
            "Tiny pictures",
            splits,
            tiny,
            config.tiny_image_share,
            what=f"a side shorter than {SMALLEST_SIDE} pixels",
            advice="Look at these pictures: they may be placeholders or thumbnails. They are "
            "enlarged to the model's size, and hardly anything is to be seen in them.",
        ),
        _finding(
            "long_image_share",
            "Long pictures",
            splits,
            long,
            config.long_image_share,
            what=f"a side more than {LARGEST_ASPECT:g} times as long as the other",
            advice="Cut these pictures: stretched to the model's size they are distorted, and a "
            "cut of their middle leaves most of them out.",
        ),
    ]


def _finding(
    check: str,
    title: str,
    splits: Mapping[str, pa.Table],
    found: Mapping[str, npt.NDArray[np.bool_]],
    threshold: Threshold,
    *,
    what: str,
    advice: str,
) -> Finding:
    total = sum(len(rows) for rows in found.values())
    count = sum(int(rows.sum()) for rows in found.values())
    share = count / total if total else 0.0
    examples = [
        {
            "split": name,
            **files_of(splits[name], int(row)),
            **{key: splits[name][key][int(row)].as_py() for key in ("id", "width", "height")},
        }
        for name, rows in found.items()
        for row in np.flatnonzero(rows)[:NUM_EXAMPLES]
    ]
    return finding(
        check,
        title,
        share,
        threshold,
        message=f"{count_of(count, 'row')} ({show(share, 'share')}) with {what}.",
        advice=advice,
        by_split={name: float(rows.mean()) if len(rows) else 0.0 for name, rows in found.items()},
        examples=examples[:NUM_EXAMPLES],
    )
