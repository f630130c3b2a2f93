"""An error as one line for the terminal."""

from __future__ import annotations

__all__ = ["describe_error"]


def describe_error(error: Exception) -> str:
    """Say in one line what went wrong."""
    text = _describe_os_error(error) if isinstance(error, OSError) else str(error)
    return " ".join(text.split()) or f"{type(error).__name__}."


def _describe_os_error(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.filename is None:
        return f"{reason.rstrip('.')}."
    if ": expected " in reason:  # one of the package's own sentences
        return f"{reason.rstrip('.')}: {error.filename!r}."
    return f"expected to use {error.filename!r}, got: {reason}. Check the path and its permissions."
