from __future__ import annotations

import struct

import numpy as np
import pytest

from pipeline.audio.decoding import as_wav, check, decode
from pipeline.errors import DataError
from tests.sounds import sound_file, tone


@pytest.mark.parametrize(
    ("kind", "depth", "tolerance"),
    [
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_U8", 1e-2),
        ("WAV", "FLOAT", 1e-6),
        ("WAV", "ULAW", 2e-2),
        ("FLAC", "PCM_16", 1e-4),
        ("OGG", "VORBIS", 2e-2),
        ("MP3", None, 2e-2),
    ],
)
def test_every_format_gives_the_same_samples(
    kind: str, depth: str | None, tolerance: float
) -> None:
    found = decode(sound_file(tone(440), kind=kind, depth=depth), 16_000)
    assert found.samples.dtype == np.float32
    assert found.rate == found.file_rate == 16_000
    wanted = tone(440)
    middle = slice(2_000, 6_000)
    assert np.abs(found.samples[: len(wanted)] - wanted)[middle].max() < tolerance


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_any_rate_becomes_the_one_asked_for(rate: int) -> None:
    found = decode(sound_file(tone(440, rate=rate), rate, depth="PCM_24"), 16_000)
    assert found.file_rate == rate
    assert found.seconds == pytest.approx(0.5, abs=1e-3)
    inside = slice(200, 7_800)
    assert np.abs(found.samples[inside] - tone(440)[inside]).max() < 1e-5


def test_what_the_new_rate_cannot_hold_is_removed_not_folded_back() -> None:
    found = decode(sound_file(tone(7_000, rate=48_000), 48_000), 8_000)
    assert np.abs(found.samples[200:-200]).max() < 1e-3


def test_channels_are_averaged() -> None:
    both = np.stack([tone(440), -tone(440)], axis=1)
    found = decode(sound_file(both), 16_000)
    assert found.channels == 2
    assert np.abs(found.samples).max() < 1e-4
    assert found.peak == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"no sound at all" * 20, "damaged, or no sound"),
        (sound_file(tone(440))[:9_000], "the file is cut off: 7,044 bytes are missing"),
        (sound_file(tone(440), kind="FLAC")[:2_000], "damaged, or no sound"),
        (
            sound_file(tone(440, 3.0), kind="OGG")[:-900],
            "the file is cut off: 900 bytes are missing",
        ),
        (sound_file(tone(440, 3.0), kind="MP3")[:2_000], "cut off: it says 48,000 samples"),
        (sound_file(np.zeros(0)), "has no samples"),
        (sound_file([0.0, np.nan, np.inf, 0.1], depth="FLOAT"), "2 of 4 samples are no finite"),
        (sound_file(tone(440), 100), "says 100 samples a second"),
        (sound_file(tone(440, level=9e3), depth="FLOAT"), "samples reach 9,000 times full scale"),
    ],
    ids=["empty", "text", "wav", "flac", "ogg", "mp3", "no-samples", "not-finite", "rate", "scale"],
)
def test_what_cannot_be_read_is_named(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        decode(content, 16_000)
    assert caught.value.remedy
    with pytest.raises(DataError, match=message):
        check(content)


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF])
def test_a_wav_of_a_program_that_did_not_know_its_length_is_whole(size: int) -> None:
    content = bytearray(as_wav((tone(440) * 32_767).astype(np.int16), 16_000))
    struct.pack_into("<I", content, 40, size)
    if size:
        assert len(decode(bytes(content), 16_000).samples) == 8_000
    else:
        with pytest.raises(DataError, match="no samples"):
            decode(bytes(content), 16_000)


def test_a_recording_of_one_sample_is_one() -> None:
    assert len(decode(sound_file([0.5], 48_000), 8_000).samples) == 1


def test_clipping_is_a_share_and_silence_has_no_peak() -> None:
    loud = np.clip(tone(440) * 4, -1, 1)
    assert decode(sound_file(loud), 16_000).clipped > 0.4
    assert decode(sound_file(tone(440, level=0.99)), 16_000).clipped < 0.1
    assert decode(sound_file(tone(440)), 16_000).clipped == 0
    assert decode(sound_file(np.zeros(100)), 16_000).peak == 0


def test_samples_written_as_wav_come_back() -> None:
    samples = (tone(440) * 32_767).astype(np.int16)
    found = decode(as_wav(samples, 8_000), 8_000)
    assert (np.round(found.samples * 32_768) == samples).all()
