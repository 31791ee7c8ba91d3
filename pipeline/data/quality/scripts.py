"""Which writing system texts use, as a guess of their language."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

RANGES: dict[str, tuple[tuple[int, int], ...]] = {
    "Latin": ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF)),
    "Han": ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF)),
    "Kana": ((0x3041, 0x30FF), (0x31F0, 0x31FF)),
    "Hangul": ((0x1100, 0x11FF), (0xAC00, 0xD7AF)),
    "Cyrillic": ((0x400, 0x52F),),
    "Greek": ((0x370, 0x3FF),),
    "Arabic": ((0x600, 0x6FF), (0x750, 0x77F)),
    "Hebrew": ((0x590, 0x5FF),),
    "Devanagari": ((0x900, 0x97F),),
    "Thai": ((0xE00, 0xE7F),),
}
"""Unicode code points of the letters of each script, both ends included."""

LANGUAGES = {
    "Latin": "English or another language in Latin letters",
    "Han": "Chinese",
    "Kana": "Japanese",
    "Hangul": "Korean",
    "Cyrillic": "Russian or another language in Cyrillic letters",
    "Greek": "Greek",
    "Arabic": "Arabic or Persian",
    "Hebrew": "Hebrew",
    "Devanagari": "Hindi or another language in Devanagari",
    "Thai": "Thai",
}


def script_shares(texts: Iterable[str]) -> dict[str, float]:
    """The share of each script among the letters of texts, the most frequent first.

    Returns:
        Shares that add up to 1, of scripts that occur; empty without letters.
    """
    points = np.frombuffer("".join(texts).encode("utf-32-le", "replace"), np.uint32)
    counts = {
        name: sum(int(((points >= low) & (points <= high)).sum()) for low, high in ranges)
        for name, ranges in RANGES.items()
    }
    total = sum(counts.values())
    found = sorted(counts.items(), key=lambda entry: -entry[1])
    return {name: count / total for name, count in found if count}


def guess_language(shares: dict[str, float]) -> str | None:
    """The language that the scripts suggest; None without letters.

    Kana beside Han is Japanese: Chinese has none.
    """
    if not shares:
        return None
    if shares.get("Kana", 0.0) > 0.1:
        return LANGUAGES["Kana"]
    return LANGUAGES[next(iter(shares))]
