"""Checked reading of JSON that anyone may have written."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any, NoReturn

from sk_mnist_mlp.exceptions import ModelFileError

__all__ = ["Fields", "Refuse", "parse_json", "shown"]

Refuse = Callable[[str, str], NoReturn]
"""``refuse(expected, got)`` raises what the reader of a file raises for bad contents."""

_MAX_CONTAINERS = 20_000  # objects and lists: each takes 60 bytes or more in memory
_MAX_WHOLE = 2**63 - 1


def parse_json(text: str | bytes, refuse: Refuse) -> Any:
    """Parse JSON of at most 20,000 objects and lists, which name each of their fields once."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            refuse("JSON that names each field once", "a field twice")
        return fields

    def no_constant(name: str) -> NoReturn:
        refuse("plain JSON", name)

    try:
        text = text.decode() if isinstance(text, bytes) else text
        if text.count("[") + text.count("{") > _MAX_CONTAINERS:
            refuse(f"JSON of at most {_MAX_CONTAINERS} objects and lists", "more")
        return json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except ModelFileError:
        raise
    except (ValueError, RecursionError) as error:
        refuse("a description in JSON", f"something else ({shown(str(error))})")


def shown(value: Any) -> str:
    """A value for an error sentence, cut where it would be long.

    Examples
    --------
    >>> shown("seven")
    "'seven'"
    >>> shown([1, 2, 3])
    'a list'
    """
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a whole number of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class Fields:
    """A JSON object whose fields are taken out one by one, each checked.

    Examples
    --------
    >>> def refuse(expected, got):
    ...     raise ValueError(f"expected {expected}, got {got}")
    >>> fields = Fields({"epoch": 3, "engine": "keras"}, "state", refuse)
    >>> fields.whole("epoch"), fields.text("engine")
    (3, 'keras')
    >>> fields.close()
    >>> Fields({"epoch": -1}, "state", refuse).whole("epoch")
    Traceback (most recent call last):
    ...
    ValueError: expected a whole number from 0 on as state.epoch, got -1
    """

    def __init__(self, value: Any, where: str, refuse: Refuse) -> None:
        if not isinstance(value, dict):
            refuse(f"an object as {where}", shown(value))
        self.where = where
        self.refuse = refuse
        self._values = value
        self._taken: set[str] = set()

    def names(self) -> list[str]:
        """The names of all fields."""
        return list(self._values)

    def take(self, name: str) -> Any:
        """Any value; the caller checks it."""
        if name not in self._values:
            self.refuse(f"{self.where}.{name}", "nothing")
        self._taken.add(name)
        return self._values[name]

    def fail(self, name: str, expected: str) -> NoReturn:
        """Refuse the value of a field."""
        self.refuse(f"{expected} as {self.where}.{name}", shown(self._values.get(name)))

    def whole(self, name: str, least: int = 0, most: int = _MAX_WHOLE) -> int:
        """A whole number in ``[least, most]``."""
        value = self.take(name)
        if type(value) is not int or not least <= value <= most:
            limit = f"from {least} on" if most == _MAX_WHOLE else f"from {least} to {most}"
            self.fail(name, f"a whole number {limit}")
        return value

    def number(self, name: str) -> float:
        """A finite number."""
        value = self.take(name)
        if type(value) not in (int, float) or not abs(value) <= 1e308:
            self.fail(name, "a number")
        return float(value)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.take(name)
        if not isinstance(value, bool):
            self.fail(name, "true or false")
        return value

    def text(self, name: str, among: Collection[str] | None = None) -> str:
        """A string, one of those in ``among`` where that is given."""
        value = self.take(name)
        if not isinstance(value, str):
            self.fail(name, "a string")
        if among is not None and value not in among:
            self.fail(name, f"one of {', '.join(sorted(among))}")
        return value

    def items(self, name: str) -> list[Any]:
        """A list; the caller checks its entries."""
        value = self.take(name)
        if not isinstance(value, list):
            self.fail(name, "a list")
        return value

    def wholes(self, name: str, least: int, most: int) -> list[int]:
        """A list of whole numbers in ``[least, most]``."""
        values = self.items(name)
        for value in values:
            if type(value) is not int or not least <= value <= most:
                self.refuse(f"whole numbers from {least} on as {self.where}.{name}", shown(value))
        return values

    def texts(self, name: str) -> list[str]:
        """A list of strings."""
        values = self.items(name)
        for value in values:
            if not isinstance(value, str):
                self.refuse(f"strings as {self.where}.{name}", shown(value))
        return values

    def fields(self, name: str) -> Fields:
        """A nested object."""
        return Fields(self.take(name), f"{self.where}.{name}", self.refuse)

    def close(self) -> None:
        """Refuse fields that nobody took: what is not understood must not be passed over."""
        left = sorted(set(self._values) - self._taken)
        if left:
            self.refuse(f"no other field in {self.where}", shown(left[0]))
