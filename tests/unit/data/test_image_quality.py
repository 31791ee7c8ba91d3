from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.config.data import QualityConfig
from pipeline.data.quality.image_checks import image_findings


def table(sizes: list[tuple[int, int]]) -> pa.Table:
    return pa.table(
        {
            "id": [str(i) for i in range(len(sizes))],
            "width": pa.array([width for width, _ in sizes], pa.int32()),
            "height": pa.array([height for _, height in sizes], pa.int32()),
        }
    )


def test_tiny_and_long_pictures_are_found() -> None:
    splits = {"train": table([(1, 1), (40, 9), (41, 10), (8, 8)]), "test": table([])}
    tiny, long = image_findings(splits, QualityConfig())
    assert (tiny.value, tiny.severity) == (0.25, "warning")
    assert tiny.examples[0]["id"] == "0"
    assert long.value == pytest.approx(0.5)
    assert [one["id"] for one in long.examples] == ["1", "2"]


def test_rows_of_other_kinds_have_no_such_findings() -> None:
    assert image_findings({"train": pa.table({"id": ["1"]})}, QualityConfig()) == []
