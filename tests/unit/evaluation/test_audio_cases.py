from __future__ import annotations

import base64
import io
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.audio.encoders import LogMel
from pipeline.evaluation.cases.audio import shown_audio
from pipeline.evaluation.cases.transcripts import units
from pipeline.evaluation.context import Context
from pipeline.evaluation.mistakes import mistakes_page
from pipeline.tasks.audio_inputs import AUDIO
from pipeline.tasks.base import LABEL
from pipeline.tasks.transcription import TRANSCRIPT
from tests.sounds import spelled, tone

FILE = {"path": "data/a.zip/x<y>.wav", "sha256": "0" * 64, "size": 3}


def data_of(html: str, kind: str) -> bytes:
    found = re.search(rf'src="data:{kind};base64,([^"]+)"', html)
    assert found is not None
    return base64.b64decode(found.group(1))


def picture(html: str) -> np.ndarray[Any, Any]:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data_of(html, "image/png"))).convert("L"), float)


def test_a_recording_whose_sound_was_kept_can_be_seen_and_heard() -> None:
    import soundfile

    samples = (tone(1_000, 0.5) * 32_000).astype(np.int16)
    row = {"audio": FILE, "samples": samples.tolist(), "sample_rate": 16_000, "seconds": 0.5}
    html = shown_audio(row, AUDIO)
    assert "x&lt;y&gt;.wav, 0.50 s" in html
    found, rate = soundfile.read(io.BytesIO(data_of(html, "audio/flac")), dtype="int16")
    assert rate == 16_000
    assert (found == samples).all()
    assert picture(html).shape == (80, 48)


@pytest.mark.parametrize("hertz", [300, 3_000])
def test_the_spectrogram_is_darkest_where_it_sounds_with_low_sounds_at_the_bottom(
    hertz: float,
) -> None:
    features = LogMel(num_mels=40)(tone(hertz).astype(np.float32))
    row = {"audio": FILE, "features": features.ravel().tolist(), "length": len(features)}
    html = shown_audio(row, AUDIO)
    assert "<audio" not in html
    darkest = int(picture(html).mean(axis=1).argmin())
    assert (darkest > 20) == (hertz < 1_000)


def test_a_long_recording_keeps_its_picture_narrow() -> None:
    features = np.zeros((5_000, 8), np.float32)
    row = {"audio": FILE, "features": features.ravel().tolist(), "length": 5_000}
    assert picture(shown_audio(row, AUDIO)).shape[1] <= 1_200


def test_without_features_only_the_name_is_shown() -> None:
    assert shown_audio({"audio": FILE}, AUDIO).count("<") == 2


def test_errors_are_marked_word_by_word_and_the_worst_come_first() -> None:
    table = pa.table(
        {
            "id": ["1", "2", "3"],
            "audio": [FILE] * 3,
            "transcript": ["One two, three", "yes no", "four"],
            "prediction": ["one too three five", "yes no", "for <b>"],
            "loss": [0.1, 0.2, 0.3],
        }
    )
    samples = (spelled("a") * 30_000).astype(np.int16).tolist()
    encoded = table.append_column("samples", pa.array([samples] * 3, pa.list_(pa.int16())))
    encoded = encoded.append_column("sample_rate", pa.array([16_000] * 3))
    context = Context((AUDIO, TRANSCRIPT))
    page = mistakes_page(table, context, title="digits", most=10, encoded=encoded)
    assert page is not None
    assert "2 of 3 rows (66.7%) are not right" in page
    assert "one <del>two</del> <ins>too</ins> three <ins>five</ins>" in page
    assert "<ins>for</ins> <del>four</del> <ins>b</ins>" in page
    assert page.count("<audio") == 2
    assert page.count('alt="spectrogram"') == 2


def test_chinese_is_compared_by_characters() -> None:
    assert units("今天 好") == ["今", "天", "好"]
    assert units("to day") == ["to", "day"]


def test_labels_of_recordings_are_shown_with_the_recording() -> None:
    table = pa.table(
        {
            "id": ["1"],
            "audio": [FILE],
            "label": ["up"],
            "prediction": ["down"],
            "score": [0.9],
            "scores": [[0.1, 0.9]],
        }
    )
    page = mistakes_page(table, Context((AUDIO, LABEL), ("up", "down")), title="t", most=5)
    assert page is not None
    assert "x&lt;y&gt;.wav" in page
