"""Checks of recordings: silence, clipping, odd durations, transcripts that do not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.data import QualityConfig, Threshold
from pipeline.data.quality.checks import NUM_EXAMPLES
from pipeline.data.quality.finding import Finding, count_of, finding, show
from pipeline.data.quality.media_checks import files_of
from pipeline.tasks.columns import number_values

SILENT_LEVEL = -60.0
"""Mean power in decibels of full scale below which nothing is heard."""
CLIPPED = 0.01
"""Share of samples at full scale from which a recording sounds distorted."""
SHORTEST = 0.1
"""Seconds; no word is shorter."""
LONGEST = 10.0
"""Times the median duration."""
FASTEST = 40.0
"""Characters a second; quick speakers of alphabetic languages reach about 25."""
_NEEDED = frozenset({"seconds", "level", "clipped", "num_frames"})
_UNKNOWN = "unknown_characters"
Bools = npt.NDArray[np.bool_]


def recordings(
    splits: Mapping[str, pa.Table], max_length: int, config: QualityConfig
) -> list[Finding]:
    """All checks of encoded recordings; none where rows have no sound.

    Args:
        splits: Raw and encoded columns by split.
        max_length: Most frames that a row keeps.
        config: Thresholds.
    """
    if not all(set(table.column_names) >= _NEEDED for table in splits.values()):
        return []
    seconds = np.concatenate([number_values(table["seconds"]) for table in splits.values()])
    usual = float(np.median(seconds)) if len(seconds) else 0.0
    found = [
        _rows(
            splits,
            lambda table: number_values(table["level"]) < SILENT_LEVEL,
            ("silent_share", "Silent recordings", config.silent_share),
            what=f"quieter than {SILENT_LEVEL:g} dB of full scale",
            advice="Listen to these files: a microphone that was off, or the wrong channel. Take "
            "the rows out: a model learns to invent words from them.",
            shown="level",
        ),
        _rows(
            splits,
            lambda table: number_values(table["clipped"]) > CLIPPED,
            ("clipped_share", "Clipped recordings", config.clipped_share),
            what=f"with more than {CLIPPED:.0%} of the samples at full scale",
            advice="They were recorded too loud, and what was cut off is lost: record again with "
            "less gain, unless what will be recognised is as loud.",
            shown="clipped",
        ),
        _rows(
            splits,
            lambda table: (
                (number_values(table["seconds"]) < SHORTEST)
                | (number_values(table["seconds"]) > LONGEST * usual)
            ),
            ("odd_duration_share", "Very short or long recordings", config.odd_duration_share),
            what=f"shorter than {SHORTEST:g} s or longer than {LONGEST:g} times the median of "
            f"{usual:.3g} s",
            advice="Listen to these files: cut in the wrong place, or several recordings in one.",
            shown="seconds",
        ),
        _rows(
            splits,
            lambda table: number_values(table["num_frames"]) > max_length,
            ("truncated_share", f"Cut at {max_length} frames", config.truncated_share),
            what=f"longer than model.max_length={max_length} frames: the end is lost",
            advice="Raise model.max_length, or cut recordings and transcripts into sentences.",
            shown="seconds",
        ),
    ]
    if all("transcript" in table.column_names for table in splits.values()):
        found.append(
            _rows(
                splits,
                lambda table: (
                    pc.utf8_length(table["transcript"]).to_numpy()
                    > FASTEST * number_values(table["seconds"])
                ),
                ("crowded_share", "Transcripts too long to be said", config.crowded_share),
                what=f"with more than {FASTEST:g} characters a second",
                advice="Look whether transcript and recording belong together, and whether the "
                "recording was cut.",
                shown="seconds",
            )
        )
    if all(_UNKNOWN in table.column_names for table in splits.values()):
        found.append(_unknown(splits, config))
    return found


def _rows(
    splits: Mapping[str, pa.Table],
    is_bad: Callable[[pa.Table], Bools],
    check: tuple[str, str, Threshold],
    *,
    what: str,
    advice: str,
    shown: str,
) -> Finding:
    """The finding of rows of one kind, with the worst of them as examples."""
    name, title, threshold = check
    by_split, examples, count, total = {}, [], 0, 0
    for split, table in splits.items():
        bad = is_bad(table)
        by_split[split] = float(bad.mean()) if len(bad) else 0.0
        count += int(bad.sum())
        total += len(bad)
        for row in np.flatnonzero(bad)[:NUM_EXAMPLES].tolist():
            value = round(float(table[shown][row].as_py()), 3)
            place = {"id": table["id"][row].as_py(), "split": split, **files_of(table, row)}
            examples.append({**place, shown: value})
    share = count / total if total else 0.0
    return finding(
        name,
        title,
        share,
        threshold,
        message=f"{count_of(count, 'recording')} ({show(share, 'share')}) {what}.",
        advice=advice,
        by_split=by_split,
        examples=examples[:NUM_EXAMPLES],
    )


def _unknown(splits: Mapping[str, pa.Table], config: QualityConfig) -> Finding:
    """Transcripts with letters that the train split's do not have."""
    letters: Counter[str] = Counter()
    for table in splits.values():
        for text in table[_UNKNOWN].to_pylist():
            letters.update(text)
    most = ", ".join(f"{letter!r} in {count:,}" for letter, count in letters.most_common(10))
    return _rows(
        splits,
        lambda table: pc.not_equal(table[_UNKNOWN], "").to_numpy(),
        ("unknown_character_share", "Letters never learned", config.unknown_character_share),
        what="whose transcript has letters outside the vocabulary of the train split"
        + (f" ({most})" if most else ""),
        advice="They count as errors whatever is recognised. Normalise transcripts "
        "(task.options.normalisation), write numbers as words, or add rows to the train split.",
        shown="seconds",
    )
