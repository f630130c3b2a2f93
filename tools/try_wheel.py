"""Use the installed package as a newcomer does: the command, and the README's example.

    python tools/try_wheel.py           # the example as it stands
    python tools/try_wheel.py --quick   # a small fit in its place

Everything runs in an empty folder and in isolated mode, so that only what is installed is found.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
SMALL_FIT = """
from sk_mnist_mlp import load_model, make_digit_pipeline, save_model
from sk_mnist_mlp.datasets import load_mnist

X_train, X_test, y_train, y_test = load_mnist(return_splits=True)
model = make_digit_pipeline("tutorial", epochs=2, random_state=0)
model.fit(X_train[:6000], y_train[:6000])
save_model(model, "model.skmlp")
print("test accuracy", load_model("model.skmlp").score(X_test, y_test))
"""


def main() -> None:
    """Run all of it, and fail where anything fails."""
    quick = "--quick" in sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        where = run(folder, "-c", "import sk_mnist_mlp; print(sk_mnist_mlp.__file__)")
        assert Path(where.strip()).is_relative_to(sysconfig.get_path("purelib")), where
        command = Path(sysconfig.get_path("scripts")) / "sk-mnist-mlp"
        subprocess.run([command, "--version"], cwd=folder, check=True)
        begin = time.monotonic()
        Path(folder, "example.py").write_text(SMALL_FIT if quick else example(), encoding="utf-8")
        accuracy = float(re.search(r"^test accuracy (\S+)$", run(folder, "example.py"), re.M)[1])
        assert accuracy >= (0.85 if quick else 0.98), accuracy
        print(f"done in {time.monotonic() - begin:.0f} s")


def example() -> str:
    """Return the README's one block of Python."""
    (block,) = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.M | re.S)
    return str(block)


def run(folder: str, *arguments: str) -> str:
    """Run this interpreter in a folder; show what it says and return it."""
    call = [sys.executable, "-I", *arguments]
    done = subprocess.run(call, cwd=folder, check=True, text=True, stdout=subprocess.PIPE)
    print(done.stdout, end="", flush=True)
    return done.stdout


if __name__ == "__main__":
    main()
