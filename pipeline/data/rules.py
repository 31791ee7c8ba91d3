"""How code that sees one value says that it breaks a rule, before file and row are known."""

from __future__ import annotations

from pipeline.errors import DataError


class RuleError(ValueError):
    """A value breaks a rule.

    Args:
        message: The rule and the value received.
        remedy: What to do about it.
        shift: How many lines below the row's first line it stands.
    """

    def __init__(self, message: str, remedy: str, *, shift: int = 0) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.shift = shift

    def located(self, file: str, row: int) -> DataError:
        """The error that names where the value stands."""
        return DataError(str(self), file=file, row=row, remedy=self.remedy)
