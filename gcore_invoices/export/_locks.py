"""Locks on files that are being written: each ends with its process, however that ends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

if sys.platform == "win32":  # its locks are others; there, two processes are not told apart

    def hold(file: BinaryIO) -> bool:  # noqa: ARG001 - the same for both
        """Make an open file this process's own."""
        return True

else:
    import fcntl

    def hold(file: BinaryIO) -> bool:
        """Make an open file this process's own until it is closed; False if another holds it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True
