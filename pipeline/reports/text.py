"""A report as Markdown, its pictures beside it."""

from __future__ import annotations

import re

from pipeline.reports.blocks import Block, Code, Heading, Picture, Report, Table, Text

_SPECIAL = re.compile(r"([\\`*\[\]|~$#]|(?<!\w)_|_(?!\w))")
_BULLET = re.compile(r"^([-+=])(?!\d)")
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")


def markdown(report: Report) -> str:
    """The report as a Markdown document that names its pictures by file."""
    parts = [f"# {escaped(report.title)}"]
    if report.description:
        parts.append(escaped(report.description))
    parts += [_block(block) for block in report.blocks]
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    flat = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return _NUMBERED.sub(r"\1\\\2", _BULLET.sub(r"\\\1", _SPECIAL.sub(r"\\\1", flat)))


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"## {escaped(block.text)}"
    if isinstance(block, Code):
        return f"```bash\n{block.text}\n```"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Picture):
        title = escaped(block.title)
        return f"### {title}\n\n![{title}]({block.file})\n\n{_prose(block.caption)}"
    return _text(block)


def _text(block: Text) -> str:
    prose = _prose(block.text)
    return f"**{prose}**" if block.tone not in {"", "faint"} else prose


def _prose(text: str) -> str:
    """Escaped, except what stands between backquotes."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if place % 2 else _spaced(part) for place, part in enumerate(parts))


def _spaced(part: str) -> str:
    """Escaped, with the spaces at both ends kept."""
    if not part.strip():
        return part
    before, after = part[: len(part) - len(part.lstrip())], part[len(part.rstrip()) :]
    return f"{before}{escaped(part)}{after}"


def _table(table: Table) -> str:
    marks = ["---:" if column in table.numeric else "---" for column in range(len(table.head))]
    lines = [table.head, marks, *table.rows]
    return "\n".join(
        f"| {' | '.join(cell if row is marks else escaped(cell) for cell in row)} |"
        for row in lines
    )
