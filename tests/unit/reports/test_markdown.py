"""Text in Markdown."""

from __future__ import annotations

import pytest

from pipeline.reports.text import escaped


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("a|b", "a\\|b"),
        ("lora_alpha", "lora_alpha"),
        ("_private_ *bold* [link](x)", "\\_private\\_ \\*bold\\* \\[link\\](x)"),
        ("- item", "\\- item"),
        ("-0.014", "-0.014"),
        ("1. first", "1\\. first"),
        ("1.5", "1.5"),
        ("two\nlines", "two lines"),
        ("<b> & `x`", "&lt;b> &amp; \\`x\\`"),
    ],
)
def test_markdown_shows_text_as_it_is(text: str, markdown: str) -> None:
    assert escaped(text) == markdown
