"""Pictures of the command line at work, as SVG: real output of the installed program, against the sandbox.

Run it with `make screenshots`; it writes docs/screenshots/.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from gcore_invoices.sandbox import SandboxServer

FOLDER = Path(__file__).parent.parent / "docs" / "screenshots"
PROGRAM = Path(sys.executable).parent / "gcore-invoices"
ROWS = 50
# How wide each is, so that none is wider than what it shows.
SHOTS = {
    "help": (84, "--help"),
    "list": (102, "list --unpaid --since 2026-05 --sort -amount_total,id --limit 12 --as-of 2026-06-30"),
    "summary": (116, "summary --since 2026-01 --as-of 2026-06-30"),
    "check": (122, "check --overdue-days 14 --max-open EUR:10000 --as-of 2026-06-30"),
}

# Rich's own has a font from a server that is not ours: who looks at a picture would tell it so.
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
SVG = re.sub(r"@font-face {{.*?}}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "Fira Code, monospace", FONTS
)


def main() -> None:
    """Take every picture."""
    FOLDER.mkdir(exist_ok=True)
    # What would show on the pictures of whoever takes them.
    own = re.compile("COLUMNS|LINES|NO_COLOR|FORCE_COLOR|COLORTERM|GCORE_.*")
    plain = {name: value for name, value in os.environ.items() if not own.fullmatch(name)}
    with SandboxServer() as sandbox:
        settings = {"GCORE_BASE_URL": sandbox.url, "GCORE_API_KEY": sandbox.api_key, "TERM": "xterm-256color"}
        for name, (columns, arguments) in SHOTS.items():
            screen = shoot(shlex.split(arguments), plain | settings, columns)
            picture = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
            picture.print(Text(f"$ gcore-invoices {arguments}\n", style="bold green"))
            picture.print(Text.from_ansi(screen))
            picture.save_svg(str(FOLDER / f"{name}.svg"), title="gcore-invoices", code_format=SVG)
            print(f"docs/screenshots/{name}.svg")


def shoot(arguments: list[str], variables: dict[str, str], columns: int) -> str:
    """What the program shows on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    with subprocess.Popen([PROGRAM, *arguments], env=variables, stdout=theirs, stderr=theirs):  # noqa: S603 - ours
        os.close(theirs)
        seen = b""
        try:
            while more := os.read(ours, 65536):
                seen += more
        except OSError:  # the program has ended
            pass
        finally:
            os.close(ours)
    return seen.decode().replace("\r\n", "\n")


if __name__ == "__main__":
    main()
