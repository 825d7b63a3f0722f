"""What ends a sync call before its time: its deadline, and a stop from another thread.

(The async client needs neither: asyncio ends whatever is awaited. Only for a login function, which cannot be
ended, it borrows the thread that is left to itself.)
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from contextvars import ContextVar, copy_context
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 - a signal from a Stop to whoever set it
    """The call was ended by its `Stop`."""


class Stop:
    """Ends a sync call: what it waits for, and all it would wait for next."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        """The `time.monotonic()` by which the step under way must be done."""
        self._stopped = threading.Event()
        self._lock = threading.RLock()  # a signal handler may close the client in the middle of it
        self._end: Callable[[], object] | None = None
        self._pid = os.getpid()

    def set(self) -> None:
        """End the call; from any thread."""
        with self._lock:
            self._stopped.set()
            # A child process has a copy, and no business with its parent's connections.
            if self._end is not None and self._pid == os.getpid():
                self._end()

    def is_set(self) -> bool:
        """Whether the call is to end."""
        return self._stopped.is_set()

    def left(self, limit: float | None, error: type[Exception]) -> float | None:
        """The shorter of a limit and the seconds to the deadline.

        Raises:
            Exception: Of the type given, if the deadline is over.
        """
        if self.deadline is None:
            return limit
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise error("the call's deadline is over")
        return left if limit is None else min(limit, left)

    def wait(self, seconds: float) -> None:
        """Wait so long.

        Raises:
            Stopped: It was set before or meanwhile.
        """
        if self._stopped.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise Stopped

    def during(self, end: Callable[[], object], do: Callable[..., T], *arguments: object) -> T:
        """Do something that `end`, called from another thread, brings to an end.

        Raises:
            Stopped: It was set before.
        """
        with self._lock:
            self._end = end  # before the look: a signal handler may set it between the two
            stopped = self._stopped.is_set()
        try:
            if stopped:
                raise Stopped
            return do(*arguments)
        finally:
            with self._lock:
                self._end = None

    def aside(self, do: Callable[[], T], name: str, limit: float | None, late: Exception) -> T:
        """Do what nothing can end in a thread of its own, which is left to itself if it is not waited for.

        Args:
            do: What to do.
            name: The thread's.
            limit: Seconds to wait for it.
            late: Raised if it takes longer.

        Raises:
            Stopped: It was set before or meanwhile.
        """
        came: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

        def wait() -> T:
            try:
                leave_to_itself(do, name, lambda *done: came.put(done))
            except RuntimeError:  # the interpreter is on its way out
                return do()
            try:
                done, error = came.get(timeout=limit)
            except Empty:
                raise late from None
            if error is not None:
                raise error
            return done  # type: ignore[no-any-return]

        return self.during(lambda: came.put((None, Stopped())), wait)


def leave_to_itself(
    do: Callable[[], object], name: str, tell: Callable[[Any, BaseException | None], object]
) -> None:
    """Do something in a thread that nobody waits for, not even the interpreter at its end.

    Args:
        do: What to do, in the caller's context.
        name: The thread's.
        tell: Is told there what came of it: a result, or an error.
    """
    context = copy_context()

    def work() -> None:
        try:
            done = context.run(do)
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            tell(None, error)
        else:
            tell(done, None)

    threading.Thread(target=work, name=name, daemon=True).start()


def shut_down(connection: socket.socket) -> None:
    """Wake the thread that waits for a connection, and let it fail."""
    # Closing wakes no thread that reads, and an SSLSocket's own shutdown takes its TLS away.
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


current: ContextVar[Stop | None] = ContextVar("gcore_invoices_stop", default=None)
"""The stop of the call that this thread is in."""
