"""What a report is made of, before it becomes HTML or Markdown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """The beginning of a section."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph; what stands between backquotes is code.

    Attributes:
        text: The sentences.
        tone: `ok`, `info`, `warning` or `error` for a verdict, `faint` for a remark.
    """

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Code:
    """A command to copy."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of plain text; the first column names the row.

    Attributes:
        head: Names of the columns.
        rows: One text a column.
        numeric: Columns that are aligned to the right.
        tones: By row, if rows differ in tone.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()
    tones: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        name: Of its file, without `.png`.
        title: Its heading.
        caption: How to read it; what stands between backquotes is code.
        missing: Why there is none; empty where there is one.
    """

    name: str
    title: str
    caption: str
    missing: str = ""

    @property
    def file(self) -> str:
        """Name of the file in the report's directory."""
        return f"{self.name}.png"


Block = Heading | Text | Code | Table | Picture


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        title: Its heading.
        description: What it is about; may be empty.
        blocks: What follows, in order.
    """

    title: str
    description: str
    blocks: tuple[Block, ...]
