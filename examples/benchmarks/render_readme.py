"""Write the README's comparison table from the results of the benchmarks; type nothing by hand.

    python render_readme.py                   # rewrite the table
    python render_readme.py --check           # exit 1 if the README says something else

The table holds what was promised, kept or missed; the results have more. It stands between
``<!-- benchmarks:begin -->`` and ``<!-- benchmarks:end -->``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _bench import ROOT
from _report import HEADERS, RESULTS, Finding, describe

README = ROOT / "README.md"
BEGIN = "<!-- benchmarks:begin -->"
END = "<!-- benchmarks:end -->"
ORDER = ("fit", "accuracy", "predict", "search", "memory")
"""Benchmarks in the order of the table; any other follows."""


def render(results: Path = RESULTS) -> str:
    """Return the table and a line on where each part of it was measured.

    Parameters
    ----------
    results : Path
        Folder of the JSON files.
    """
    reports = _read(results)
    if not reports:
        return "Not measured yet: `make bench` measures, and writes this table."
    lines = ["| " + " | ".join(HEADERS) + " |", "|---" * len(HEADERS) + "|"]
    for report in reports:
        findings = [Finding(**finding) for finding in report["findings"]]
        for finding in findings:
            if finding.is_promised:
                lines.append("| " + " | ".join(finding.cells()) + " |")
    return "\n".join(["", *lines, "", *_provenance(reports), ""])


def _read(results: Path) -> list[dict[str, Any]]:
    paths = {path.stem: path for path in sorted(results.glob("*.json"))}
    names = [name for name in ORDER if name in paths]
    names += [name for name in paths if name not in ORDER]
    return [json.loads(paths[name].read_text(encoding="utf-8")) for name in names]


def _provenance(reports: list[dict[str, Any]]) -> list[str]:
    """Say on what machine and with which versions; once for all reports that agree."""
    where: dict[str, list[str]] = {}
    for report in reports:
        where.setdefault(describe(report).replace("\n", "; "), []).append(report["benchmark"])
    if len(where) == 1:
        return [f"Measured on {next(iter(where))}."]
    return [f"Measured ({', '.join(names)}) on {place}.  " for place, names in where.items()]


def with_table(text: str, table: str) -> str:
    """Return a README with its table replaced.

    Raises
    ------
    ValueError
        If the two markers are not there, once each and in order.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in tail:
        raise ValueError(
            f"render_readme: expected the README to have {BEGIN} and then {END}, once each. "
            "Put them, on lines of their own, where the table belongs."
        )
    return f"{head}{BEGIN}\n{table}\n{END}{tail}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    parser.add_argument("--readme", type=Path, default=README)
    parser.add_argument("--results", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    text = args.readme.read_text(encoding="utf-8")
    try:
        wanted = with_table(text, render(args.results))
    except ValueError as error:
        parser.error(str(error))
    if args.check:
        if text != wanted:
            print("The README's table is not that of the results. Run render_readme.py.")
        return int(text != wanted)
    args.readme.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
