"""What ends worker processes without a word, as a system does that runs out of memory."""

import contextlib
import itertools
import os
import signal
from pathlib import Path

__all__ = ["KillsItsWorker"]


class KillsItsWorker:
    """A scorer that ends its process, once, at the n-th score of a search."""

    def __init__(self, folder, at):
        self.folder = Path(folder)
        self.at = at

    def __call__(self, estimator, X, y):
        if self.take_number() == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        return estimator.score(X, y)

    def take_number(self):
        """Count the calls of all processes: a file that is there is another's number."""
        for number in itertools.count(1):
            with contextlib.suppress(FileExistsError):
                (self.folder / str(number)).touch(exist_ok=False)
                return number
