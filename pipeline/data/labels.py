"""What raw labels mean: names, numbers, renamed classes, one class against all others."""

from __future__ import annotations

from math import isnan
from typing import Any

from pipeline.config.data import LabelsConfig
from pipeline.data.rules import RuleError
from pipeline.errors import did_you_mean


class LabelMapper:
    """Turns raw labels into label names.

    Args:
        config: Names, renamings and the positive class.
    """

    def __init__(self, config: LabelsConfig) -> None:
        self._config = config
        self._known: dict[tuple[type, Any], str | None] = {}
        self.saw_positive = False

    @property
    def separator(self) -> str:
        """What stands between the labels of a set that is written as one text."""
        return self._config.separator

    @property
    def takes_names(self) -> bool:
        """Whether ids become the names that a file knows: nothing in the config means the ids."""
        by_id = self._config.names is not None or self._config.map is not None
        return not by_id and not (self._config.positive or "").isdecimal()

    @property
    def configured_names(self) -> tuple[str, ...] | None:
        """The label names by id, as far as the config says them."""
        if self._config.positive is not None:
            return (self._config.negative_name, self._config.positive)
        return self._config.names

    def name_of(self, raw: Any) -> str | None:
        """The name of a raw label: a string, a whole number or a truth value.

        Returns:
            None where there is no label.

        Raises:
            RuleError: If it is of another type, a number without name, or not among the names.
        """
        try:
            key = (type(raw), raw)
            if key not in self._known:
                self._known[key] = self._positive(self._name(raw))
            name = self._known[key]
        except TypeError:
            raise RuleError(
                f"a label must be a string, a whole number or true/false, got {raw!r}",
                "map the right column in data.columns.label",
            ) from None
        self.saw_positive |= name is not None and name == self._config.positive
        return name

    def entity_type(self, raw: str) -> str | None:
        """The type that an entity's raw type stands for; only `map` applies, None leaves it out."""
        return (self._config.map or {}).get(raw, raw)

    def _name(self, raw: Any) -> str | None:
        text = _as_text(raw)
        if text is None or not text:
            return None
        names = self._config.names
        if self._config.map is not None and text in self._config.map:
            return self._config.map[text]
        if names is None or text in names:
            return text
        index = int(raw) if isinstance(raw, bool) else _whole_number(text)
        if index is None:
            raise RuleError(
                f"the label {text!r} is not among data.labels.names",
                f"correct the label, add it to data.labels.names or map it in data.labels.map; "
                f"{did_you_mean(text, names)}",
            )
        if not 0 <= index < len(names):
            raise RuleError(
                f"the label {index} has no name: data.labels.names has {len(names)} "
                f"(0 to {len(names) - 1})",
                "correct the label, name all classes in data.labels.names, or leave rows with it "
                f'out: data.labels.map: {{"{index}": null}}',
            )
        return names[index]

    def _positive(self, name: str | None) -> str | None:
        if name is None or self._config.positive is None or name == self._config.positive:
            return name
        return self._config.negative_name


def _as_text(raw: Any) -> str | None:
    """The label as it would stand in a text file."""
    if raw is None:
        return None
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, float):
        if isnan(raw):  # how a column of numbers says "nothing"
            return None
        return str(int(raw)) if raw.is_integer() else str(raw)
    if isinstance(raw, str | int):
        return str(raw).strip()
    raise TypeError(raw)


def _whole_number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
