from __future__ import annotations

import base64
import io
import re

import numpy as np
import pyarrow as pa
from PIL import Image

from pipeline.evaluation.baselines.labels import class_predictions
from pipeline.evaluation.baselines.pictures import fit_pixels
from pipeline.evaluation.context import Context
from pipeline.evaluation.mistakes import mistakes_page
from pipeline.evaluation.tables import raw_columns, readable_predictions
from pipeline.images.encoder import ImageEncoder
from pipeline.tasks.base import LABEL
from pipeline.tasks.columns import CONTENT_TYPE, MEDIA_TYPE
from pipeline.tasks.image_inputs import IMAGE, encode_images
from tests.pictures import COLOURS, picture

NAMES = tuple(sorted(COLOURS))
CONTEXT = Context((IMAGE, LABEL), NAMES)


def encoded(labels: list[str]) -> pa.Table:
    contents = [{"path": f"<{i}>.png", "bytes": picture(x, i)} for i, x in enumerate(labels)]
    found = encode_images(
        pa.chunked_array([pa.array(contents, CONTENT_TYPE)]), ImageEncoder((12, 16))
    )
    stored = [{"path": one["path"], "sha256": "0", "size": 1} for one in contents]
    rows = pa.table(
        {
            "id": [str(i) for i in range(len(labels))],
            "image": pa.array(stored, MEDIA_TYPE),
            "label": labels,
        }
    )
    for name in found.column_names:
        rows = rows.append_column(found.schema.field(name), found[name])
    return rows


def test_a_mistake_shows_the_picture_that_the_model_saw() -> None:
    rows = encoded(["red", "blue"])
    predictions = class_predictions(np.array([[0.1, 0.8, 0.1], [0.9, 0.05, 0.05]]), NAMES)
    page = mistakes_page(
        readable_predictions(rows, predictions), CONTEXT, title="x", most=5, encoded=rows
    )
    assert page is not None
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    np.testing.assert_array_equal(shown, np.array(rows["pixels"][0].as_py()))
    assert 'width="192" height="144"' in page
    assert "&lt;0&gt;.png" in page


def test_without_what_the_model_saw_the_path_is_shown() -> None:
    rows = encoded(["red"])
    predictions = class_predictions(np.array([[0.1, 0.8, 0.1]]), NAMES)
    page = mistakes_page(readable_predictions(rows, predictions), CONTEXT, title="x", most=5)
    assert page is not None
    assert "&lt;0&gt;.png" in page
    assert "<img" not in page


def test_colours_alone_tell_pictures_apart() -> None:
    train, test = encoded(list(NAMES) * 6), encoded(["red", "green", "blue"])
    baseline = fit_pixels(train, CONTEXT)
    assert baseline is not None
    found = baseline(test)
    assert found["prediction"].to_pylist() == ["red", "green", "blue"]
    np.testing.assert_allclose(np.array(found["scores"].to_pylist()).sum(axis=1), 1.0)
    assert fit_pixels(raw_columns(train), CONTEXT) is None
