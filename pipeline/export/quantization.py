"""ONNX graphs with 8-bit weights."""

from __future__ import annotations

import logging
from pathlib import Path

from pipeline.artifacts import cannot_write


def quantize_int8(source: Path, target: Path) -> None:
    """Writes a copy of an ONNX graph whose matrix products use 8-bit integers.

    Weights are rounded once, with one scale a column; activations at run time, with one scale a
    tensor. Embeddings become 8-bit too. No data is needed to calibrate.

    Args:
        source: A float32 graph.
        target: The file to write; external weights, if any, go beside it.

    Raises:
        EnvironmentProblem: If there is no permission or no space.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        quantize_dynamic(
            str(source),
            str(target),
            weight_type=QuantType.QInt8,
            per_channel=True,
            use_external_data_format=source.with_name(source.name + ".data").is_file(),
        )
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        root.setLevel(level)
