"""`python -m gcore_invoices`: the command line."""

from __future__ import annotations

import sys

from gcore_invoices.cli import main

if __name__ == "__main__":
    sys.exit(main())
