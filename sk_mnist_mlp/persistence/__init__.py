"""Models as files: the project's own format, which holds data and no code."""

from sk_mnist_mlp.persistence.files import FORMAT_NUMBER, load_model, read_manifest, save_model

__all__ = ["FORMAT_NUMBER", "load_model", "read_manifest", "save_model"]
