"""constraints.txt with the lowest versions that pyproject.toml promises, for `make lowest`.

    python tools/lowest.py > FILE

What a user's environment may hold stands at its lower bound; the tools of the tests stay where they are.
"""

from __future__ import annotations

import re
import sys
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# They have a version for each version of the package that is lowered: pip finds it.
FREE = {"opentelemetry-sdk", "opentelemetry-semantic-conventions"}


def lowest() -> dict[str, str]:
    """The lowest version of each dependency, of the core and the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = {}
    for requirement in chain(project["dependencies"], *project["optional-dependencies"].values()):
        bound = re.fullmatch(r"([\w-]+)>=([\d.]+)(?:,<[\d.]+)?", requirement)
        if not bound:
            sys.exit(f"pyproject.toml: {requirement} names no lowest version")
        found[bound[1].lower()] = bound[2]
    return found


def main() -> None:
    """Print the constraints."""
    low = lowest()
    print("# Made by tools/lowest.py.")
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        name = line.partition("==")[0].strip().lower().replace("_", "-")
        if name in low:
            print(f"{name}=={low[name]}")
        elif name not in FREE:
            print(line)


if __name__ == "__main__":
    main()
