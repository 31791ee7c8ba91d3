"""Work done ahead in a background thread, in order and bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from queue import Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _End:
    pass


def prefetched(make: Callable[[Item], Made], items: Iterable[Item], depth: int) -> Iterator[Made]:
    """Makes things of items ahead of their use, in a background thread, in order.

    Args:
        make: Called in the background once for each item.
        items: What to make things of.
        depth: How many finished things may wait; 0 makes each when it is asked for.

    Yields:
        What `make` returned. What it raised is raised here, after the things made before it.
        The thread has ended when the iterator is exhausted, has raised, or is closed.
    """
    if depth == 0:
        yield from map(make, items)
        return

    ready: Queue[Made | _Failure | _End] = Queue(depth)
    stop = Event()

    def work() -> None:
        try:
            for item in items:
                made = make(item)
                if stop.is_set():
                    return
                ready.put(made)
            ready.put(_End())
        except BaseException as error:
            ready.put(_Failure(error))

    thread = Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(made := ready.get(), _End):
            if isinstance(made, _Failure):
                raise made.error
            yield made
    finally:
        stop.set()
        # A put that waits for room goes through once; the worker then sees the stop.
        while not ready.empty():
            ready.get_nowait()
        thread.join()
