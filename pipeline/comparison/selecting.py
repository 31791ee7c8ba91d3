"""Which runs are compared, and which of them are one group."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.comparison.code import Code
from pipeline.comparison.loading import title
from pipeline.data.quality.finding import count_of
from pipeline.errors import UserError
from pipeline.reports.words import capital, listed
from pipeline.tracking.reading import RunReader, RunRecord

MOST_GROUPS = 5
"""Groups of the latest runs that are compared unasked."""
TEST_HASH = "data.test_hash"
_LATEST = 200
_MOST_NAMED = 5
_WHOLE = {"pipeline", "group", "study", "trial"}
_SEED = re.compile(r"[-_ ]?seed[-_ ]?\d+(?=$|-[0-9a-f]{6}$)")
_SEED_AND_KEY = re.compile(r"[-_ ]?seed[-_ ]?\d+(-[0-9a-f]{6})?$")

Records = tuple[RunRecord, ...]


@dataclass(frozen=True)
class Selection:
    """Runs to compare.

    Attributes:
        groups: The runs of each group, by seed; the reference comes first.
        notes: What was decided on the way, sentences.
    """

    groups: tuple[Records, ...]
    notes: tuple[str, ...]


def latest_groups(reader: RunReader, experiment: str, root: Path) -> Selection:
    """The newest evaluated runs of an experiment that have the test data of the newest.

    Args:
        reader: Reads the store.
        experiment: The experiment's name.
        root: The project's root, for what git knows of the runs' code.

    Raises:
        UserError: If fewer than two groups are found.
    """
    runs = reader.latest(experiment, roles=("model",), limit=_LATEST)
    evaluated = [run for run in runs if TEST_HASH in run.tags]
    if not evaluated:
        raise UserError(
            f"the experiment {experiment} has no run with test predictions",
            remedy="run `dvc repro`, or name runs of another experiment: "
            "`python -m pipeline runs` lists them",
        )
    newest = evaluated[0].tags[TEST_HASH]
    same = [run for run in evaluated if run.tags[TEST_HASH] == newest]
    other = [run for run in evaluated if run.tags[TEST_HASH] != newest]
    notes = []
    if other:
        names = [title(run) for run in other[:_MOST_NAMED]]
        if len(other) > _MOST_NAMED:
            names.append(f"{len(other) - _MOST_NAMED} more")
        notes.append(capital(f"left out, since measured on other test data: {listed(names)}"))
    groups = grouped(same, Code(reader, root))
    if len(groups) < 2:
        raise UserError(
            f"the experiment {experiment} has test predictions of one configuration only "
            f"({title(evaluated[0])}), so there is nothing to compare",
            remedy="\n".join(
                [
                    "change a setting and run `dvc repro`, or name runs: "
                    "`python -m pipeline compare RUN_A RUN_B`",
                    *notes,
                ]
            ),
        )
    if len(groups) > MOST_GROUPS:
        notes.append(
            f"The newest {MOST_GROUPS} of {len(groups)} configurations are compared; name runs to "
            "compare others."
        )
    kept = [_newest_of_seeds(group) for group in groups[:MOST_GROUPS]]
    return Selection(
        tuple(group for group, _ in kept),
        tuple(notes + [note for _, some in kept for note in some]),
    )


def named_groups(reader: RunReader, words: Sequence[str], root: Path) -> Selection:
    """The runs that words name.

    Words of one configuration are one group, unless nothing would be left to compare it with: then
    each word stands for itself.

    Args:
        reader: Reads the store.
        words: Ids, their beginnings, names or keys; a parent stands for the runs nested in it.
        root: The project's root, for what git knows of the runs' code.

    Raises:
        UserError: If a word names no run, or fewer than two groups are left.
    """
    found = [(word, expand(reader, reader.find(word))) for word in words]
    named: list[Records] = []
    seen: set[str] = set()
    notes: list[str] = []
    for word, records in found:
        fresh = tuple(run for run in records if run.run_id not in seen)
        seen |= {run.run_id for run in fresh}
        if fresh:
            named.append(fresh)
        elif len(words) > 1:
            notes.append(f"{word} names no run that the words before it do not name.")
    if len(named) < 2:
        raise UserError(
            f"{listed(words)} {'names' if len(words) == 1 else 'name'} "
            f"{title(named[0][0]) if len(named[0]) == 1 else f'{len(named[0])} runs of one parent'}"
            " only, so there is nothing to compare it with",
            remedy="name two or more runs, or none to compare the latest ones",
        )
    groups = grouped([run for records in named for run in records], Code(reader, root))
    if len(groups) < 2:
        groups = named
        notes.append(
            "All runs have the same configuration and code: what differs between them is the "
            "chance of training, unless it is the machine."
        )
    kept = [_newest_of_seeds(group) for group in groups]
    return Selection(
        tuple(group for group, _ in kept),
        tuple(notes + [note for _, some in kept for note in some]),
    )


def expand(reader: RunReader, record: RunRecord) -> Records:
    """The trained models that a run stands for: itself, or those nested in a parent."""
    if record.role not in _WHOLE:
        return (record,)
    children = [run for child in reader.children(record.run_id) for run in expand(reader, child)]
    return tuple(children) or (record,)


def grouped(records: Sequence[RunRecord], code: Code) -> list[Records]:
    """Runs of one configuration, data and code, or of one `group`; in order of appearance.

    Args:
        records: The runs.
        code: Tells whether two ran the same code.
    """
    configs = Counter(record.tags.get("config.group") for record in records)
    groups: list[tuple[set[str], list[RunRecord]]] = []
    for record in records:
        alone = configs[record.tags.get("config.group")] == 1
        marks = _marks(record, None if alone else code)
        touched = [group for group in groups if group[0] & marks]
        if not touched:
            groups.append((marks, [record]))
            continue
        first, *rest = touched
        for group in rest:
            first[0].update(group[0])
            first[1].extend(group[1])
            groups.remove(group)
        first[0].update(marks)
        first[1].append(record)
    return [tuple(members) for _, members in groups]


def common_name(records: Sequence[RunRecord]) -> str:
    """What the names of a group's runs have in common; the whole name of a single run."""
    if len(records) == 1:
        return records[0].name
    for end in (_SEED, _SEED_AND_KEY):
        names = {end.sub("", record.name) for record in records}
        if len(names) == 1:
            return names.pop()
    return records[0].name


def _marks(record: RunRecord, code: Code | None) -> set[str]:
    """What two runs of a group have in common, one of these at least."""
    marks = {f"run {record.run_id}"}
    config = record.tags.get("config.group")
    if config is not None and code is not None:
        marks.add(f"config {config} {record.tags.get('data.hash')} {code.of(record)}")
    if "group" in record.tags:
        marks.add(f"group {record.tags['group']}")
    return marks


def _newest_of_seeds(records: Sequence[RunRecord]) -> tuple[Records, list[str]]:
    """Of runs with the same seed the newest, by seed, and what was left out."""
    newest: dict[str, RunRecord] = {}
    again: dict[str, list[RunRecord]] = {}
    for record in sorted(records, key=lambda run: -run.started):
        seed = record.tags.get("seed", record.run_id)
        if seed in newest:
            again.setdefault(seed, []).append(record)
        else:
            newest[seed] = record
    notes = [
        f"{title(newest[seed])} was trained {len(older) + 1} times with seed {seed}; the newest "
        f"counts{_equal_weights([newest[seed], *older])}."
        for seed, older in again.items()
    ]
    return tuple(newest[seed] for seed in sorted(newest, key=_as_number)), notes


def _equal_weights(records: Sequence[RunRecord]) -> str:
    hashes = {record.tags.get("weights.sha256", "") for record in records}
    if "" in hashes:
        return ""
    return (
        " (the weights are the same, bit for bit)"
        if len(hashes) == 1
        else f" ({count_of(len(hashes), 'different set')} of weights)"
    )


def _as_number(text: str) -> tuple[int, str]:
    return (int(text), "") if text.isdigit() else (2**63, text)
