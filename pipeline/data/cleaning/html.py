"""HTML to plain text."""

from __future__ import annotations

import warnings

_BREAKING = """
address article aside blockquote br dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6
header hr li main nav ol p pre section table td th tr ul
"""
BREAKING = frozenset(_BREAKING.split())
"""Tags that part words."""
UNSEEN = ("script", "style", "template")


class Html:
    """Tags are removed (one that breaks the line becomes a space) and entities decoded."""

    def apply(self, text: str) -> str:
        """The text that a browser would show."""
        if "<" not in text and "&" not in text:
            return text
        from bs4 import BeautifulSoup, Comment, MarkupResemblesLocatorWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
            soup = BeautifulSoup(text, "html.parser")
        for tag in soup.find_all(UNSEEN):
            tag.decompose()
        for comment in soup.find_all(string=lambda found: isinstance(found, Comment)):
            comment.extract()
        for tag in soup.find_all(BREAKING):
            tag.insert_before(" ")
            tag.insert_after(" ")
        return soup.get_text()
