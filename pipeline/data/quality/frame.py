"""The frame that all HTML pages of the pipeline share."""

from __future__ import annotations

import re
from html import escape

from pipeline.data.quality.style import CSS

SIGNS = {"error": "✕", "warning": "!", "info": "i", "ok": "✓"}
"""By severity, for readers who see no colours."""


def document(title: str, body: str, css: str = "") -> str:
    """A self-contained HTML document.

    Args:
        title: Of the browser's window; plain text.
        body: HTML, its heading first.
        css: More of a style sheet.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}{css}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def prose(text: str) -> str:
    """Escaped text, with what stands between backquotes as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
