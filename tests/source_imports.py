"""Which modules of the package a source file imports, read from its syntax tree."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = "pipeline"


def modules(repository: Path) -> dict[str, Path]:
    """Every module of the package, by dotted name."""
    found = {}
    for path in sorted((repository / PACKAGE).rglob("*.py")):
        parts = path.relative_to(repository).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path], *, for_types: bool = True) -> set[str]:
    """The package's modules that a file imports, at its top or inside functions.

    Args:
        path: The file.
        known: `modules(repository)`.
        for_types: Whether what is imported for type checking alone counts too.
    """
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        pending += ast.iter_child_nodes(node)
    return found & set(known)


def closure(start: str, known: dict[str, Path]) -> set[Path]:
    """The files of all modules that running a module can import, itself included."""
    seen: set[str] = set()
    pending = [start]
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending += imports(known[name], known, for_types=False)
    return {known[name] for name in seen}
