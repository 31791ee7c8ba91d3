"""Which steps of a metric were logged already, in little memory."""

from __future__ import annotations

_BITS = 10
_MASK = (1 << _BITS) - 1


class StepSet:
    """A set of step numbers: one bit each, in blocks of 1,024, so that long runs stay small."""

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        self._blocks: dict[int, int] = {}

    def add(self, step: int) -> bool:
        """Adds a step; returns whether it was new."""
        block, bit = step >> _BITS, 1 << (step & _MASK)
        bits = self._blocks.get(block, 0)
        if bits & bit:
            return False
        self._blocks[block] = bits | bit
        return True

    def __contains__(self, step: int) -> bool:
        return bool(self._blocks.get(step >> _BITS, 0) >> (step & _MASK) & 1)
