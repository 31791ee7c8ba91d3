from __future__ import annotations

import numpy as np
import torch

from pipeline.audio.augmentation import (
    NO_AUGMENTATION,
    AudioAugmentation,
    augmented_features,
    augmented_waveforms,
)
from pipeline.audio.encoders import LogMel
from pipeline.audio.mel import mel_centres
from tests.sounds import tone

torch.set_num_threads(1)

CENTRES = mel_centres(80, 20, 8_000)[1:-1]


def features(*recordings: np.ndarray[tuple[int], np.dtype[np.float64]]) -> torch.Tensor:
    rows = [torch.from_numpy(LogMel()(one.astype(np.float32))) for one in recordings]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def noisy(hertz: float, seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    samples = tone(hertz, seconds)
    return samples + 0.003 * np.random.default_rng(0).standard_normal(len(samples))


def only(**options: object) -> AudioAugmentation:
    return AudioAugmentation(**{**NO_AUGMENTATION.model_dump(), **options})


def test_the_same_seed_gives_the_same_and_another_does_not() -> None:
    batch, lengths = torch.randn(3, 50, 80), torch.tensor([50, 40, 7])
    before = batch.clone()
    first, n = augmented_features(batch, lengths, AudioAugmentation(noise_share=1.0), 1, CENTRES)
    again, m = augmented_features(batch, lengths, AudioAugmentation(noise_share=1.0), 1, CENTRES)
    other, _ = augmented_features(batch, lengths, AudioAugmentation(noise_share=1.0), 2, CENTRES)
    assert torch.equal(first, again)
    assert torch.equal(n, m)
    assert first.shape != other.shape or not torch.equal(first, other)
    assert torch.equal(batch, before)
    assert torch.equal(augmented_features(batch, lengths, NO_AUGMENTATION, 1, CENTRES)[0], batch)


def test_a_new_speed_is_that_of_resampled_sound() -> None:
    batch = features(noisy(500, 1.0), noisy(500, 0.5))
    lengths = torch.tensor([98, 48])
    found, new = augmented_features(batch, lengths, only(speed=(1.25, 1.25)), 0, CENTRES)
    assert new.tolist() == [78, 38]
    expected = features(noisy(625, 0.8))[0]
    assert int(found[0].mean(dim=0).argmax()) == int(expected.mean(dim=0).argmax())
    assert int(batch[0].mean(dim=0).argmax()) != int(expected.mean(dim=0).argmax())
    assert not found[1, 38:].any()
    stretched, _ = augmented_features(batch, lengths, only(speed=(1.25, 1.25)), 0, None)
    assert int(stretched[0].mean(dim=0).argmax()) == int(batch[0].mean(dim=0).argmax())


def test_noise_has_the_power_asked_for() -> None:
    batch = features(noisy(500, 1.0))
    lengths = torch.tensor([98])
    options = only(noise_share=1.0, noise_snr=(10.0, 10.0))
    found, _ = augmented_features(batch, lengths, options, 3, CENTRES)
    added = (found.exp() - batch.exp()).mean()
    ratio = 10 * torch.log10(batch.exp().mean() / added)
    assert 8 < float(ratio) < 11
    assert bool((found >= batch).all())
    plain, _ = augmented_features(batch, lengths, options, 3, None)
    assert torch.equal(plain, batch)


def test_masks_hide_no_more_than_their_share_and_fill_with_the_mean() -> None:
    batch, lengths = torch.randn(8, 100, 80), torch.tensor([100] * 7 + [10])
    time = only(time_masks=1, time_mask_share=0.2, time_mask_frames=15)
    hidden = _changed(batch, lengths, time).any(dim=2)
    assert int(hidden[:7].sum(dim=1).max()) <= 15
    assert int(hidden[7].sum()) <= 2
    assert bool(hidden.any())
    bands = only(band_masks=1, band_mask_share=0.1)
    hidden = _changed(batch, lengths, bands).any(dim=1)
    assert 0 < int(hidden.sum(dim=1).max()) <= 8
    found, _ = augmented_features(batch, lengths, bands, 0, CENTRES)
    torch.testing.assert_close(found[0].mean(dim=0), batch[0].mean(dim=0))


def _changed(
    batch: torch.Tensor, lengths: torch.Tensor, options: AudioAugmentation
) -> torch.Tensor:
    found, _ = augmented_features(batch, lengths, options, 0, CENTRES)
    return found != batch


def test_waveforms_are_played_faster_and_get_noise() -> None:
    lengths = torch.tensor([8_000, 4_000])
    batch = torch.from_numpy(np.stack([tone(500), tone(500)])).float()
    batch[1, 4_000:] = 0
    found, new = augmented_waveforms(batch, lengths, only(speed=(0.8, 0.8)), 0)
    assert new.tolist() == [10_000, 5_000]
    inside = slice(10, 9_990)
    expected = torch.from_numpy(tone(400, 0.625)).float()
    assert float((found[0] - expected)[inside].abs().max()) < 0.01
    options = only(noise_share=1.0, noise_snr=(20.0, 20.0))
    noise = augmented_waveforms(batch, lengths, options, 0)[0] - batch
    assert (
        abs(float(10 * torch.log10(batch[0].square().mean() / noise[0].square().mean())) - 20) < 1
    )
    assert not noise[1, 4_000:].any()
