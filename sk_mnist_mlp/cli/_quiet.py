"""Keep TensorFlow's greetings off the terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

__all__ = ["without_greetings"]

# In the form of Abseil's log, and in that of TensorFlow before 2.19.
_GREETING = re.compile(
    rb"WARNING: All log messages before absl"
    rb"|To enable the following instructions: "
    rb"|(?:[IW]\d{4} |[\d-]{10} [\d:.]{15}: [IW] )"
    rb"|(?:E\d{4} |[\d-]{10} [\d:.]{15}: E ).*(?:failed call to cuInit|Unable to register cu)"
)


@contextlib.contextmanager
def without_greetings() -> Iterator[None]:
    """Drop what TensorFlow's C++ side says on standard error when it is imported.

    It says so below Python and before it reads its own setting of how much to say, so what is
    written to the file descriptor is put aside, here and in worker processes started meanwhile;
    afterwards all of it but the greetings is shown. What Python writes is shown at once.
    """
    shown = sys.stderr
    if not _is_standard_error(shown):
        yield
        return
    shown.flush()
    with tempfile.TemporaryFile() as aside, os.fdopen(os.dup(2), "w") as terminal:
        os.dup2(aside.fileno(), 2)
        sys.stderr = terminal
        try:
            yield
        finally:
            sys.stderr = shown
            terminal.flush()
            os.dup2(terminal.fileno(), 2)
            aside.seek(0)
            for line in aside:
                if not _GREETING.match(line):
                    os.write(2, line)


def _is_standard_error(stream: object) -> bool:
    """Whether a stream writes to the process's own standard error, and is not a test's."""
    try:
        return stream.fileno() == 2  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False
