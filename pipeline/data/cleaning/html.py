"""HTML to plain text."""

from __future__ import annotations

from html.parser import HTMLParser

_BREAKING = """
address article aside blockquote br dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6
header hr li main nav ol p pre section table td th tr ul
"""
BREAKING = frozenset(_BREAKING.split())
"""Tags that part words."""
UNSEEN = frozenset({"script", "style", "template"})
"""Tags whose content no browser shows."""


class Html:
    """Tags are removed (one that breaks the line becomes a space) and entities decoded."""

    def apply(self, text: str) -> str:
        """The text that a browser would show."""
        if "<" not in text and "&" not in text:
            return text
        reader = _Reader()
        reader.feed(text)
        reader.close()
        return "".join(reader.parts)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen: str | None = None

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 (the base's)
        if self._unseen is None and tag in UNSEEN:
            self._unseen = tag
        elif tag in BREAKING:
            self.handle_data(" ")

    def handle_startendtag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 (the base's)
        if tag in BREAKING:
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._unseen:
            self._unseen = None
        elif tag in BREAKING:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        if self._unseen is None:
            self.parts.append(data)
