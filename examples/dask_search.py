"""Run a search on a Dask cluster: the same code on a laptop's cores and on many machines.

Two worker processes on this machine stand for the cluster; given the address of a scheduler, the
search runs there instead. Needs ``pip install '.[dask]'``.
"""

import sys
import time

import joblib
from dask.distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline

from sk_mnist_mlp import ImageFlattener, MLPDigitClassifier
from sk_mnist_mlp.datasets import load_mnist

N_IMAGES = 4000


class KeptSplits:
    """Splits made once, whose row numbers can be scattered like the data.

    Each worker then holds everything that a fit reads, and the search survives the loss of any of
    them. The row numbers stay behind when the search itself travels with a task.
    """

    def __init__(self, cv, X, y):
        self.splits = list(cv.split(X, y))
        self.n_splits = len(self.splits)

    def split(self, X=None, y=None, groups=None):
        """Give the training and test rows of each split."""
        return iter(self.splits)

    def get_n_splits(self, X=None, y=None, groups=None):
        """Give the number of splits."""
        return self.n_splits

    def rows(self):
        """List all arrays of row numbers."""
        return [part for split in self.splits for part in split]

    def __getstate__(self):
        return {"splits": [], "n_splits": self.n_splits}


def connect():
    """Connect to the scheduler named on the command line, or start two workers here."""
    if len(sys.argv) > 1:
        return Client(sys.argv[1])
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    return Client(cluster)


def main():
    """Search, on whatever the client is connected to."""
    X, _, y, _ = load_mnist(return_splits=True)
    X, y = X[:N_IMAGES], y[:N_IMAGES]
    model = make_pipeline(ImageFlattener(), MLPDigitClassifier(epochs=3, random_state=0))
    grid = {
        "mlpdigitclassifier__dropout": [0.2, 0.45],
        "mlpdigitclassifier__hidden_units": [64, 128],
    }

    splits = KeptSplits(StratifiedKFold(3), X, y)
    search = GridSearchCV(model, grid, cv=splits)

    with connect() as client:
        client.amm.stop()  # Dask's memory manager would soon keep scattered data on one worker
        workers = client.scheduler_info()["workers"]
        began = time.perf_counter()
        with joblib.parallel_config(backend="dask", scatter=[X, y, *splits.rows()]):
            search.fit(X, y)
        print(f"12 fits on {len(workers)} workers: {time.perf_counter() - began:.1f} s")
    print(f"Best: {search.best_params_}, accuracy {search.best_score_:.3f}")


if __name__ == "__main__":  # the workers read this file too, and must not search themselves
    main()
