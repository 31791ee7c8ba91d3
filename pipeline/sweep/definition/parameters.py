"""The kinds of parameters that a search space holds."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from pipeline.config.base import Section


class ConditionalParameter(Section, ABC):
    """What all parameters have in common."""

    when: dict[str, Any] = Field(default_factory=dict)
    """The parameter exists only where each of these parameters, searched above it, has this value,
    or one of these values; for example `{method: frozen_prefix}`."""

    @property
    @abstractmethod
    def is_finite(self) -> bool:
        """Whether it has finitely many values."""

    @abstractmethod
    def values(self) -> list[Any]:
        """All values of a finite parameter, in order."""

    @abstractmethod
    def extremes(self) -> list[Any]:
        """The values at its ends, or all choices: what a check has to try."""

    @abstractmethod
    def contains(self, value: Any) -> bool:
        """Whether it can take a value."""

    def check_value(self, name: str, value: Any) -> None:
        """Refuses a value it cannot take.

        Raises:
            ValueError: If it is not among the values.
        """
        if not self.contains(value):
            raise ValueError(f"{name} cannot be {value!r} in this space")

    def check_condition(self, name: str, earlier: Mapping[str, ConditionalParameter]) -> None:
        """Refuses a condition that can never hold.

        Args:
            name: This parameter's name.
            earlier: The parameters above it.

        Raises:
            ValueError: If it names no earlier parameter, or a value that parameter cannot take.
        """
        for other, wanted in self.when.items():
            if other not in earlier:
                raise ValueError(
                    f"{name} depends on {other}, which is not searched above it; put {other} first"
                )
            for value in _alternatives(wanted):
                if not earlier[other].contains(value):
                    raise ValueError(
                        f"{name} waits for {other}={value!r}, which {other} never takes"
                    )

    def exists(self, chosen: Mapping[str, Any]) -> bool:
        """Whether the condition holds for the values chosen so far."""
        return all(
            other in chosen and chosen[other] in _alternatives(wanted)
            for other, wanted in self.when.items()
        )


class FloatParameter(ConditionalParameter):
    """A real number in a range, both ends included."""

    type: Literal["float"]
    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    log: bool = False
    """Whether the logarithm is what is spread evenly."""
    step: float | None = Field(default=None, gt=0.0)
    """Distance between values; by default any value."""

    @model_validator(mode="after")
    def _range(self) -> Self:
        _check_range(self.low, self.high, log=self.log)
        if self.log and self.step is not None:
            raise ValueError("a logarithmic range has no step: give one of log and step")
        return self

    @property
    def is_finite(self) -> bool:
        """Whether it has a step."""
        return self.step is not None

    def values(self) -> list[Any]:
        """From low in steps."""
        assert self.step is not None
        count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
        return [round(self.low + number * self.step, 12) for number in range(count)]

    def extremes(self) -> list[Any]:
        """Both ends."""
        return [self.low, self.high]

    def contains(self, value: Any) -> bool:
        """Whether a number lies in the range."""
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high


class IntParameter(ConditionalParameter):
    """A whole number in a range, both ends included."""

    type: Literal["int"]
    low: int
    """Smallest value."""
    high: int
    """Largest value."""
    log: bool = False
    """Whether the logarithm is what is spread evenly."""
    step: int = Field(default=1, ge=1)
    """Distance between values."""

    @model_validator(mode="after")
    def _range(self) -> Self:
        _check_range(self.low, self.high, log=self.log)
        if self.log and self.step != 1:
            raise ValueError("a logarithmic range has no step: give one of log and step")
        return self

    @property
    def is_finite(self) -> bool:
        """Always."""
        return True

    def values(self) -> list[Any]:
        """From low in steps."""
        return list(range(self.low, self.high + 1, self.step))

    def extremes(self) -> list[Any]:
        """Both ends."""
        return [self.low, self.values()[-1]]

    def contains(self, value: Any) -> bool:
        """Whether a whole number lies in the range and on a step."""
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high and (value - self.low) % self.step == 0


class ChoiceParameter(ConditionalParameter):
    """One of several values, or one of the options of a config group."""

    type: Literal["choice"]
    choices: tuple[Any, ...] = Field(min_length=1)
    """Numbers, words, truth values, null, lists or mappings."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for number, choice in enumerate(self.choices):
            if choice in self.choices[:number]:
                raise ValueError(
                    f"choices must differ from each other (1, 1.0 and true do not): {choice!r}"
                )
        return self

    @property
    def is_finite(self) -> bool:
        """Always."""
        return True

    def values(self) -> list[Any]:
        """The choices."""
        return list(self.choices)

    def extremes(self) -> list[Any]:
        """The choices."""
        return list(self.choices)

    def contains(self, value: Any) -> bool:
        """Whether it is one of the choices."""
        return any(type(value) is type(choice) and value == choice for choice in self.choices)


Parameter = FloatParameter | IntParameter | ChoiceParameter


def _check_range(low: float, high: float, *, log: bool) -> None:
    if low > high:
        raise ValueError(f"low must not be above high, got {low} and {high}")
    if log and low <= 0:
        raise ValueError(f"a logarithmic range must not touch zero: low is {low}, it must be > 0")


def _alternatives(wanted: Any) -> list[Any]:
    return list(wanted) if isinstance(wanted, (list, tuple)) else [wanted]
