"""Mutation testing: faults are put into a module, one at a time, and a test has to notice each.

    make mutants                    # all modules; what is known from an earlier run is not asked anew
    make mutants MODULE=ordering    # one

mutmut makes the faults, and runs for each the tests that reach its function. It keeps what it finds in
`.mutants/` and goes on there after an interruption; `make clean` begins anew. What survives stands in
survivors.md, with a reason.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".mutants"
SURVIVORS = Path(__file__).with_name("survivors.md")
ENOUGH = 85  # per cent

# Quick tests, the same at each run. None that starts a process: that would import the code without its fault.
TESTS = {
    "ordering": ["tests/facade/test_ordering.py"],
    "query": ["tests/facade/test_query.py"],
    "money": ["tests/money"],
    "_walk": [
        "tests/walk/test_window.py",
        "tests/walk/test_walk_by_hand.py",
        "tests/walk/test_resume.py",
        "tests/walk/test_lies.py",
        "tests/facade/test_pagination.py",
    ],
    "_flow": [
        "tests/facade/test_flow.py",
        "tests/facade/test_flow_by_hand.py",
        "tests/facade/test_errors.py",
        "tests/facade/test_download.py",
        "tests/plugins/test_hooks.py",
        "tests/plugins/test_retries.py",
        "tests/plugins/test_ratelimit.py",
    ],
}
# Two sizes of list stand for the ten that lies are told about.
OPTIONS = {"_walk": ["-k", "not test_lies or 101 or 150"]}


class Mutants:
    """The faults of one module."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.folder = WORK / module

    def lay_out(self) -> None:
        """Make a folder for mutmut: the project by links, and its settings."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("gcore_invoices", "gcore_invoices_pytest.py", "tests"):
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(ROOT / name)
        settings = {
            "source_paths": ["gcore_invoices"],
            "only_mutate": [f"gcore_invoices/{self.module}.py"],
            "also_copy": ["gcore_invoices_pytest.py"],
            "pytest_add_cli_args_test_selection": TESTS[self.module],
            # The profile of hypothesis that draws the same at each run.
            "pytest_add_cli_args": [
                *("-p", "no:cacheprovider", "--hypothesis-profile=ci"),
                *OPTIONS.get(self.module, []),
            ],
            "timeout_constant": 5.0,
            "timeout_multiplier": 4.0,
            "on_dependency_change": "ignore",
        }
        table = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        ours = (ROOT / "pyproject.toml").read_text("utf-8")
        (self.folder / "pyproject.toml").write_text(f"{ours}\n[tool.mutmut]\n{table}", "utf-8")

    def run(self) -> None:
        """Ask for what is not known, and anew for what survived: a test may have come."""
        before = self.folder.joinpath("mutants").exists() and self.survivors()
        self._mutmut("run")
        if again := [name for name in self.survivors() if before and name in before]:
            self._mutmut("run", *again)

    def statuses(self) -> dict[str, str]:
        """What became of each fault, by its name."""
        lines = self._mutmut("results", "--all", "1", quiet=True).splitlines()
        return dict(line.strip().rsplit(": ", 1) for line in lines if ": " in line)

    def survivors(self) -> list[str]:
        """The faults that no test noticed. (An endless loop is noticed.)"""
        return [name for name, status in self.statuses().items() if status not in {"killed", "timeout"}]

    def change(self, name: str) -> str:
        """What a fault changes, as survivors.md writes it."""
        diff = self._mutmut("show", name, quiet=True).splitlines()
        lines = [line for line in diff if line[:1] in {"-", "+"} and line[:3] not in {"---", "+++"}]
        old, new = (" ".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+")
        function = name.rpartition(".")[2].partition("__mutmut_")[0]
        function = function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        return f"- {function}: `{old}` → `{new}`"

    def _mutmut(self, *arguments: str, quiet: bool = False) -> str:
        command = [Path(sys.executable).with_name("mutmut"), *arguments]
        # What turns on a terminal fills a log with tens of thousands of lines.
        shown = sys.stdout.isatty() and not quiet
        done = subprocess.run(
            command, cwd=self.folder, check=False, text=True, stdout=None if shown else subprocess.PIPE
        )
        if done.returncode:
            sys.exit(f"{done.stdout or ''}\nmutmut {' '.join(arguments)} failed for {self.module}.")
        return done.stdout or ""


def main(modules: list[str]) -> None:
    """Run them, and end with an error if too many survive, or one without a reason."""
    listed = SURVIVORS.read_text("utf-8").splitlines() if SURVIVORS.exists() else []
    failed = False
    summary = []
    for module in modules or list(TESTS):
        if module not in TESTS:
            sys.exit(f"MODULE is one of {', '.join(TESTS)}, not {module!r}.")
        mutants = Mutants(module)
        sys.stdout.write(f"{module} …\n")
        sys.stdout.flush()
        mutants.lay_out()
        mutants.run()
        total, survivors = len(mutants.statuses()), mutants.survivors()
        killed = 100 * (total - len(survivors)) / total
        changes = [(name, mutants.change(name)) for name in survivors]
        unlisted = [f"{change}  ({name})" for name, change in changes if change not in listed]
        failed |= killed < ENOUGH or bool(unlisted)
        summary += [f"{module}: {killed:.1f} % of {total} noticed; {len(survivors)} survive", *unlisted]
    summary.append(f"At least {ENOUGH} % are to be noticed, and each survivor stands in {SURVIVORS.name}.")
    sys.stdout.write("\n".join(["", *summary, ""]))
    sys.exit(failed)


if __name__ == "__main__":
    main(sys.argv[1:])
