"""Keeps TensorFlow's start-up chatter off the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def native_log_hidden() -> Iterator[None]:
    """Hide what native code writes to stderr, unless the block fails: then it is shown.

    TensorFlow logs the absence of a GPU, and more, from C++ before it reads any setting that
    could silence it, so only the file descriptor helps.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            yield
        except Exception:
            log.seek(0)
            os.write(kept, log.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
