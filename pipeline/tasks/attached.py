"""What tasks share that need the processor after the rows are encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.tasks.base import Task

if TYPE_CHECKING:
    from pipeline.tasks.processor import Processor


class Attached(Task):
    """Keeps the processor, to make batches or to turn what is written into texts."""

    _processor: Processor | None = None

    def attach(self, processor: Processor) -> None:
        """Keeps it."""
        self._processor = processor

    @property
    def processor(self) -> Processor:
        """What was attached."""
        assert self._processor is not None, "attach the processor before anything else"
        return self._processor
