from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from pipeline.audio.encoders import LogMel
from pipeline.audio.mel import hertz_to_mel, log_mel, mel_centres, mel_filters, mel_to_hertz
from pipeline.models.audio_processor import load_audio_encoder
from tests.sounds import tone


@pytest.mark.parametrize(
    ("mels", "rate", "size", "low", "high"),
    [(80, 16_000, 512, 20, 8_000), (40, 8_000, 256, 0, 4_000), (128, 22_050, 1_024, 0, 8_000)],
)
def test_filters_are_slaneys(mels: int, rate: int, size: int, low: float, high: float) -> None:
    expected = mel_filter_bank(
        size // 2 + 1, mels, low, high, rate, norm="slaney", mel_scale="slaney"
    )
    np.testing.assert_allclose(mel_filters(mels, size, rate, low, high), expected, atol=1e-8)


def test_log_mel_is_that_of_transformers() -> None:
    samples = np.random.default_rng(0).standard_normal(20_000).astype(np.float32) * 0.1
    filters = mel_filters(80, 512, 16_000, 20, 8_000)
    expected = spectrogram(
        samples.astype(np.float64),
        window_function(400, "hann"),
        400,
        160,
        fft_length=512,
        power=2.0,
        center=False,
        mel_filters=filters.astype(np.float64),
        mel_floor=1e-10,
        log_mel="log",
        dtype=np.dtype(np.float64),
    )
    found = log_mel(samples, filters, window=400, hop=160, fft_size=512)
    np.testing.assert_allclose(found, expected.T, atol=1e-4)


def test_the_scale_is_undone_by_its_inverse() -> None:
    hertz = np.array([0.0, 100.0, 999.0, 1_000.0, 1_001.0, 8_000.0])
    np.testing.assert_allclose(mel_to_hertz(hertz_to_mel(hertz)), hertz, atol=1e-9)
    assert hertz_to_mel(1_000.0) == pytest.approx(15.0)


def test_a_tone_is_loudest_in_its_band() -> None:
    features = LogMel()(tone(1_000).astype(np.float32))
    centres = mel_centres(80, 20, 8_000)[1:-1]
    assert abs(centres[features.mean(axis=0).argmax()] - 1_000) < 50


@pytest.mark.parametrize(("samples", "frames"), [(0, 1), (1, 1), (400, 1), (559, 1), (560, 2)])
def test_frames_lie_within_the_recording(samples: int, frames: int) -> None:
    found = LogMel()(np.zeros(samples, np.float32))
    assert found.shape == (frames, 80)
    np.testing.assert_allclose(found, np.log(1e-10))


def test_blocks_leave_no_seam() -> None:
    samples = np.random.default_rng(1).standard_normal(160 * 5_000).astype(np.float32)
    whole = LogMel()(samples)
    np.testing.assert_allclose(LogMel()(samples[160 * 4_000 :]), whole[4_000:], atol=1e-4)


def test_settings_come_back_from_their_file(tmp_path: Path) -> None:
    encoder = LogMel(sample_rate=8_000, num_mels=40, high_hertz=3_800.0)
    encoder.save(tmp_path)
    assert load_audio_encoder(tmp_path) == encoder
    assert encoder.identity != LogMel().identity
