"""Whether runs ran the same code, whatever else was committed or edited between them.

`dvc repro` reads a seed from `params.yaml`, so each seed has a commit or a patch of its own; what
these files say stands in the resolved configuration anyway and is compared there.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from pipeline.artifacts import content_hash
from pipeline.comparison.loading import PATCH
from pipeline.provenance import root_entries
from pipeline.tracking.reading import RunReader, RunRecord

NO_CODE = frozenset(
    {"conf", "params.yaml", "dvc.lock", "data", "docs", "sweeps", "outputs", "tests", "benchmarks"}
)
"""Entries of the root that no training runs: data and settings are compared by their own hashes."""
_SECTION = re.compile(r"^diff --git a/", re.MULTILINE)


class Code:
    """Names the code of runs; equal names are equal code.

    Args:
        reader: Fetches patches.
        root: The project's root, whose repository knows the revisions, or does not.
    """

    def __init__(self, reader: RunReader, root: Path) -> None:
        self._reader = reader
        self._root = root
        self._trees: dict[str, str] = {}
        self._patches: dict[str, str] = {}

    def of(self, record: RunRecord) -> str:
        """The name of a run's code; of a run without a revision, the same for all."""
        revision = record.tags.get("git.revision")
        if revision is None:
            return "unknown"
        if revision not in self._trees:
            self._trees[revision] = _tree(self._root, revision) or revision
        if record.tags.get("git.dirty") != "true":
            return self._trees[revision]
        digest = record.tags.get("git.diff_sha256", record.run_id)
        if digest not in self._patches:
            self._patches[digest] = self._patch(record, digest)
        return f"{self._trees[revision]}{self._patches[digest]}"

    def _patch(self, record: RunRecord, digest: str) -> str:
        """What a patch does to code; empty if nothing."""
        with tempfile.TemporaryDirectory() as scratch:
            path = self._reader.artifact(record.run_id, PATCH, Path(scratch))
            if path is None:
                return digest
            text = path.read_text(encoding="utf-8", errors="replace")
        head, *sections = _SECTION.split(text)
        if head.strip() or not sections:
            return digest
        touching = [
            one for one in sections if not _is_ignored(re.split(r"[/ ]", one, maxsplit=1)[0])
        ]
        return content_hash(touching) if touching else ""


def _tree(root: Path, revision: str) -> str | None:
    """A hash of the root's entries in a revision; None where git does not know it."""
    entries = root_entries(root, revision)
    if entries is None:
        return None
    return content_hash({name: kind for name, kind in entries.items() if not _is_ignored(name)})


def _is_ignored(entry: str) -> bool:
    return entry in NO_CODE or entry.endswith(".md")
