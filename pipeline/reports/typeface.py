"""Fonts of plots: one that has the letters of the labels, or numbers in place of the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

DEFAULT = "DejaVu Sans"
"""Comes with matplotlib; has Latin, Greek, Cyrillic, Arabic, Hebrew letters, but no Chinese."""
WIDE = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Noto Sans CJK JP",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti SC",
    "Microsoft YaHei",
    "SimHei",
    "SimSun",
    "Malgun Gothic",
    "Arial Unicode MS",
)
"""Fonts with Chinese letters that Linux, macOS and Windows have, the best first."""


def font_families(texts: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Chooses fonts for texts.

    Args:
        texts: What is to be drawn, such as label names.

    Returns:
        Families for matplotlib's `font.family`, and by text what to draw: itself, or `#n` for the
        n-th where no installed font has its letters.
    """
    default = _letters(DEFAULT)
    missing = set("".join(texts)) - default
    best, have = DEFAULT, default
    for family in WIDE if missing else ():
        known = _letters(family) | default
        if missing <= known:
            return [DEFAULT, family], {text: text for text in texts}
        if len(missing & known) > len(missing & have):
            best, have = family, known
    shown = {
        text: text if set(text) <= have else f"#{number}"
        for number, text in enumerate(texts, start=1)
    }
    return list(dict.fromkeys((DEFAULT, best))), shown


def shortened(names: Mapping[str, str], longest: int = 24) -> dict[str, str]:
    """The same with long texts cut, so that a label leaves room for the picture."""
    return {
        name: shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
        for name, shown in names.items()
    }


def _letters(family: str) -> set[str]:
    """The characters that an installed font has; none if it is not installed."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    try:
        path = findfont(FontProperties(family=[family]), fallback_to_default=False)
    except ValueError:
        return set()
    return {chr(point) for point in get_font(path).get_charmap()}
