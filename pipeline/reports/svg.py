"""Pictures as SVG inside a page: they follow the dark mode, and a phone gets a narrow one."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from pipeline.reports.drawing import COLOURS, FAINT, GROUND, INK, LINE, STYLE
from pipeline.reports.html import Html, plain, together
from pipeline.reports.typeface import font_families

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BROAD, NARROW = 9.6, 3.75
"""Inches of a picture on a screen or on paper, and on a phone."""
PIXELS_PER_INCH = 96
Draw = Callable[[float], "Figure"]
"""Makes a picture of a width in inches."""

_HEX = re.compile(r"#[0-9a-fA-F]{6}\b")
_DARK = ("#5AB0EE", "#F58A4B", "#34C79C", "#E49CC8", "#F0B73F", "#9AD8F7")
_LIGHT = (*COLOURS[:3], "#B8578F", "#B07700", "#2E8CC7")
_THEME = {INK: "--ink", FAINT: "--mark", LINE: "--line", GROUND: "--ground"} | {
    colour: f"--colour-{place}" for place, colour in enumerate(COLOURS)
}
_VARIABLES = {colour.lower(): variable for colour, variable in _THEME.items()}


def _root(mark: str, colours: Sequence[str]) -> str:
    named = "".join(f" --colour-{place}: {colour};" for place, colour in enumerate(colours))
    return f":root {{ --mark: {mark};{named} }}"


SVG_STYLE = f"""
{_root(FAINT, _LIGHT)}
@media screen and (prefers-color-scheme: dark) {{ {_root("#6d7985", _DARK)} }}
.plot {{ display: block; width: 100%; height: auto; overflow: visible; margin: 0 auto; }}
.plot text {{ font-family: "DejaVu Sans", Verdana, "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
  "Microsoft YaHei", system-ui, sans-serif !important; }}
.plot.narrow {{ display: none; }}
@media screen and (max-width: 40rem) {{ .plot.broad {{ display: none; }}
  .plot.narrow {{ display: block; }} }}
"""
"""The style sheet of a page with such pictures; Okabe and Ito's colours, darker where they are
faint upon white, and lighter in the dark."""


def themed_svg(draw: Draw, *, key: str, label: str, texts: Iterable[str] = ()) -> Html:
    """Draws a picture twice, broad and narrow, in the colours of the page.

    Text stays text, so that the reader's own fonts show letters which no font here has.

    Args:
        draw: Makes the picture with colours of `drawing`.
        key: Unique in the page, for the names inside; letters and hyphens.
        label: What a screen reader says.
        texts: What may need other letters than Latin ones.
    """
    from matplotlib import rc_context

    families, _ = font_families(list(dict.fromkeys(texts)))
    style: dict[Any, Any] = {
        **STYLE,
        "font.family": families,
        "font.size": 10,
        "axes.titlesize": 10.5,
        "axes.unicode_minus": True,
        "figure.constrained_layout.h_pad": 0.08,
        "svg.fonttype": "none",
        "svg.hashsalt": key,
    }
    found = []
    with rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing")
        for kind, width in (("broad", BROAD), ("narrow", NARROW)):
            found.append(_inline(draw(width), f"{key}-{kind}", kind, label))
    return together(found)


def drawable(text: str, longest: int = 28) -> str:
    """Text on one line without characters that no picture can hold, cut where it is long."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat if len(flat) <= longest else f"{flat[: longest - 1]}…"


def _inline(figure: Figure, key: str, kind: str, label: str) -> Html:
    stream = io.StringIO()
    nothing: Mapping[str, None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    root = ElementTree.fromstring(stream.getvalue())  # noqa: S314 - matplotlib wrote it
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in {"metadata", "style"}:
                parent.remove(child)
    referred = set(re.findall(r"#([\w.-]+)", " ".join(_references(root))))
    for element in root.iter():
        element.tag = _local(element.tag)
        old = dict(element.attrib)
        element.attrib.clear()
        for name, value in old.items():
            changed = _attribute(_local(name), value, key, referred)
            if changed is not None:
                element.set(_local(name), changed)
    width = round(figure.get_size_inches()[0] * PIXELS_PER_INCH)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"class": f"plot {kind}", "role": "img", "style": f"max-width: {width}px"}
    inside = "".join(ElementTree.tostring(child, encoding="unicode") for child in root)
    attributes = "".join(f' {name}="{plain(value)}"' for name, value in root.attrib.items())
    return Html(f'<svg{attributes} aria-label="{plain(label)}">{inside}</svg>')


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _references(root: ElementTree.Element) -> list[str]:
    """Values that may name other elements of the picture."""
    return [
        value
        for element in root.iter()
        for name, value in element.attrib.items()
        if value.startswith(("#", "url(#"))
    ]


def _attribute(name: str, value: str, key: str, referred: set[str]) -> str | None:
    """The value with names of this picture and colours of the page; None to leave it out."""
    if name == "id":
        return f"{key}-{value}" if value in referred else None
    if name == "href":
        return f"#{key}-{value[1:]}"
    if value.startswith("url(#"):
        return f"url(#{key}-{value[5:]}"
    return _HEX.sub(_variable, value) if name == "style" else value


def _variable(found: re.Match[str]) -> str:
    variable = _VARIABLES.get(found[0].lower())
    return f"var({variable})" if variable else found[0]
