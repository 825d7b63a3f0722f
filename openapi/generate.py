"""Write the low-level client from the contract, or check that the committed one is what it would write.

    python openapi/generate.py                    # replace generated_client/gcore_erp_api
    python openapi/generate.py --check            # compare only; exit 1 and name the files that differ

Run it with the interpreter of the environment that openapi/requirements.txt describes; `make generate`
and `make check-generated` do.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PACKAGE = "gcore_erp_api"


def run(command: str, *arguments: str | Path) -> None:
    """Run a program of this environment; stop with what it printed if it fails."""
    program = Path(sysconfig.get_path("scripts"), command)
    if not program.exists():
        sys.exit(f"{command} is not installed beside {sys.executable}: use `make generate`.")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command} failed (exit {done.returncode}):\n{done.stdout}{done.stderr}")


def generate(spec: Path, package: Path) -> None:
    """Write the package `package` from `spec`."""
    run(
        "openapi-python-client",
        "generate",
        *("--path", spec),
        *("--config", HERE / "generator.yaml"),
        *("--custom-template-path", HERE / "templates"),
        *("--meta", "none"),
        *("--output-path", package),
        "--fail-on-warning",
    )
    # Isolated: no pyproject.toml on the way up may change the bytes.
    isolated = ("--isolated", "--no-cache", "--quiet", "--target-version", "py311", "--line-length", "110")
    run("ruff", "check", *isolated, "--select", "F401,I", "--fix-only", package)
    run("ruff", "format", *isolated, package)
    # Only __init__.py names the spec's hash, so that a change of the spec shows as what it changes.
    sha256 = hashlib.sha256(spec.read_bytes()).hexdigest()
    origin = f"# openapi-python-client {version('openapi-python-client')}\n# {spec.name} sha256 {sha256}\n"
    for path in package.rglob("*.py"):
        header = "# Generated. Do not edit: change openapi/ and run `make generate`.\n"
        if path == package / "__init__.py":
            header += origin
        path.write_text(header + "\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    (package / "py.typed").touch()


def differences(committed: Path, fresh: Path) -> list[str]:
    """Every file that is not the same in both trees, with what is wrong with the committed one."""

    def files(tree: Path) -> dict[Path, bytes]:
        return {
            path.relative_to(tree): path.read_bytes()
            for path in tree.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    have, want = files(committed), files(fresh)
    return sorted(
        f"{'missing' if name not in have else 'not generated' if name not in want else 'differs'}: {name}"
        for name in have.keys() | want.keys()
        if have.get(name) != want.get(name)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the low-level client from the contract.")
    parser.add_argument("--check", action="store_true", help="compare with what is there; write nothing")
    parser.add_argument("--spec", type=Path, default=HERE / "erp-invoices.yaml", help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=ROOT / "generated_client", help="default: %(default)s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder, "generated_client")
        fresh.mkdir()
        generate(options.spec, fresh / PACKAGE)
        if options.check:
            if wrong := differences(options.output, fresh):
                verdict = f"{options.output.name}/ is not what {options.spec.name} gives"
                sys.exit("\n  ".join([f"{verdict}; run `make generate`:", *wrong]))
            print(f"{options.output.name}/ is what {options.spec.name} gives.")
        else:
            # Replaced only now: a generator that fails must not cost the client that works.
            shutil.rmtree(options.output / PACKAGE, ignore_errors=True)
            options.output.mkdir(parents=True, exist_ok=True)
            shutil.copytree(fresh / PACKAGE, options.output / PACKAGE)
            print(f"Wrote {options.output.name}/{PACKAGE} from {options.spec.name}.")


if __name__ == "__main__":
    main()
