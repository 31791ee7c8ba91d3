"""`seeds=5` on a stage's command line: which seeds one configuration is run with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config.overrides import to_grammar
from pipeline.errors import ConfigError, Problem

SEEDS = "seeds"
MOST_SEEDS = 1_000
"""More is a slip of the keyboard."""

_END = 2**32
_OURS = re.compile(r"[+~]*seeds?(=|$)")
_MOST_SHOWN = 20


@dataclass(frozen=True)
class SeedsWish:
    """What the user asked for.

    Attributes:
        source: The argument, for messages.
        count: So many seeds from the configuration's own on; None if they are named.
        named: The seeds; empty if they are counted.
    """

    source: str
    count: int | None = None
    named: tuple[int, ...] = ()

    def seeds(self, first: int) -> tuple[int, ...]:
        """The seeds, in the order in which they are run.

        Args:
            first: The configuration's own seed, from which counted ones go on.

        Raises:
            ConfigError: If the last one is too large.
        """
        if self.count is None:
            return self.named
        if first + self.count > _END:
            rule = f"a seed is below {_END:,}; {self.count} from {first} on go beyond"
            raise ConfigError([Problem(SEEDS, rule, self.source, "begin with a smaller seed")])
        return tuple(range(first, first + self.count))


def split_seeds(arguments: Sequence[str]) -> tuple[list[str], SeedsWish | None]:
    """Takes `seeds=…` out of a stage's arguments; of several the last stands.

    `seeds=5` is the configuration's own seed and the four after it; `seeds=[1,2,7]` names them.

    Args:
        arguments: Hydra overrides and perhaps `seeds=…`.

    Returns:
        The overrides, and the wish if there is one.

    Raises:
        ConfigError: If the value is neither, if `seed` has several values, or if a single seed
            stands beside a list of them.
    """
    if not any(map(_OURS.match, arguments)):
        return list(arguments), None
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser = OverridesParser.create()
    others: list[str] = []
    wish: SeedsWish | None = None
    single: str | None = None
    for argument in arguments:
        if _OURS.match(argument) is None:
            others.append(argument)
            continue
        source = f"argument {argument!r}"
        try:
            parsed = parser.parse_override(argument)
        except HydraException:
            others.append(argument)  # compose says what is wrong with the grammar
            continue
        several = _several(parsed)
        if parsed.key_or_group == SEEDS:
            wish = _wish(parsed, several, source)
        elif several is not None:
            rule = f"one training has one seed; got {_value_of(argument)}"
            raise ConfigError([Problem("seed", rule, source, _advice(several))])
        else:
            single = source
            others.append(argument)
    if wish is not None and wish.named and single is not None:
        rule = "the list names every seed, and `seed` names another one"
        raise ConfigError([Problem(SEEDS, rule, single, "leave one of the two out")])
    return others, wish


def _wish(parsed: Any, several: list[Any] | None, source: str) -> SeedsWish:
    value = None if parsed.is_delete() else several if several is not None else parsed.value()
    problem = _problem_of(value)
    if problem is None and parsed.is_sweep_override():
        problem = "several values at once"
    if problem is not None:
        raise ConfigError([Problem(SEEDS, problem, source, _advice(several))])
    if isinstance(value, list):
        return SeedsWish(source, named=tuple(value))
    return SeedsWish(source, count=value)


def _problem_of(value: Any) -> str | None:
    """What is wrong with a value of `seeds`."""
    if isinstance(value, list):
        if not value:
            return "the list is empty"
        wrong = [one for one in value if type(one) is not int or not 0 <= one < _END]
        if wrong:
            return f"a seed is a whole number from 0 to {_END - 1:,}; got {wrong[0]!r}"
        twice = sorted({seed for seed in value if value.count(seed) > 1})
        if twice:
            return f"every seed counts once; {twice[0]} is named {value.count(twice[0])} times"
        count = len(value)
    elif type(value) is not int:
        return f"must be a number of seeds or a list of them; got {value!r}"
    else:
        count = value
    if not 1 <= count <= MOST_SEEDS:
        return f"between 1 and {MOST_SEEDS:,} seeds; got {count:,}"
    return None


def _several(parsed: Any) -> list[Any] | None:
    """The values of a list or of Hydra's notation of a sweep; None for a single one."""
    if parsed.is_choice_sweep():
        return list(parsed.value().list)
    if parsed.is_range_sweep():
        return list(parsed.value().range())
    if parsed.is_sweep_override() or parsed.is_delete():
        return None
    value = parsed.value()
    return list(value) if isinstance(value, list) else None


def _advice(several: list[Any] | None) -> str:
    if several and len(several) <= _MOST_SHOWN and _problem_of(several) is None:
        return f"write {SEEDS}={to_grammar(several)}, which trains one model for each"
    return f"write {SEEDS}=5 for five seeds, or {SEEDS}=[1,2,7] for these"


def _value_of(argument: str) -> str:
    return argument.partition("=")[2]
