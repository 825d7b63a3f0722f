"""Measures this client against what one would use instead, and writes the tables of docs/benchmarks.md.

make bench                          everything, about 7 minutes, on Linux
python benchmarks/run.py --quick    fewer rounds; to look at, not to keep
python benchmarks/run.py --smoke    tiny, with the peers that are installed: does it still run?
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import platform
import subprocess
import sys
import time
import tracemalloc
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING
from urllib.request import urlopen

import peers
from peers import KEY, LIMIT, PATH, PEERS, Peer

from gcore_invoices import InvoicesClient
from gcore_invoices.models import decode_page
from gcore_invoices.sandbox import Invoices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
# The project and its run-time dependencies alone, as a user has them: what imports cost depends on it.
RUNTIME = Path(sys.prefix, "runtime", "bin", "python")
LIBRARIES = ("gcore-invoices", "httpx", "msgspec", "attrs", "pluggy", "gcore", "requests", "aiohttp")


@dataclass(frozen=True)
class Size:
    """How much to measure."""

    command: str
    invoices: int
    many: int
    """Invoices of the long list, whose memory is looked at."""
    rounds: dict[int, int]
    """Rounds by milliseconds an answer takes."""
    starts: int
    pause: float
    """Seconds that the slow consumer rests after each page."""


FULL = Size("make bench", 10_000, 1_000_000, {0: 11, 20: 5, 50: 5, 100: 5}, starts=15, pause=0.002)
QUICK = Size("python benchmarks/run.py --quick", 10_000, 100_000, {0: 3, 50: 1}, starts=5, pause=0.002)
SMOKE = Size("python benchmarks/run.py --smoke", 300, 400, {0: 1, 20: 1}, starts=1, pause=0.0)


@contextmanager
def serving(*specs: tuple[int, int]) -> Iterator[list[str]]:
    """Start the server; one base URL for each pair of invoices and milliseconds."""
    arguments = ["900", *(f"{count}:{wait}" for count, wait in specs)]
    command = [sys.executable, HERE / "server.py", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        try:
            yield [f"http://127.0.0.1:{port}" for port in json.loads(process.stdout.readline())]
        finally:
            process.stdin.close()


# Why a target is missed, for the table: by a part of what it says.
MISSES = {
    "16: time of raw sockets": "sixteen answers come at once, and one interpreter decodes them in turn",
    "8: time of raw sockets": "the answers come at once, and one interpreter decodes them in turn",
    "each call logged": "a line of logging for each call, besides what the row above holds",
    "CPU time": "decoding and checking alone take a third of what httpx takes",
    "faster than official SDK": "more than half of our time is that of httpx, which the SDK uses too",
    "import httpx": "besides httpx it loads msgspec, attrs, pluggy and httpcore, and makes its classes",
    "first invoice": "the import, the search for plugins, and the generated code",
}

# -- the walks


@dataclass
class Times:
    """What the rounds of one peer at one delay took, in seconds."""

    wall: list[float]
    cpu: list[float]


Measured = dict[tuple[Peer, int], Times]


def measure_walks(urls: dict[int, str], size: Size) -> Measured:
    """Every peer at every delay it is measured at, round by round in turn."""
    expected = [(row["id"], Decimal(row["amount_total"])) for row in Invoices(size.invoices)]
    measured: Measured = {}
    for wait, url in urls.items():
        chosen = [peer for peer in PEERS if peer.installed and wait in peer.waits]
        with ExitStack() as stack:
            walks = {peer: stack.enter_context(peer.open(url, size.invoices)) for peer in chosen}
            if wait == 0:
                for walk in walks.values():
                    walk()  # so that what is loaded when it is first used is loaded
            for number in range(size.rounds[wait]):
                turn = number % len(chosen)
                for peer in chosen[turn:] + chosen[:turn]:
                    wall, cpu = _timed(walks[peer], peer, expected)
                    times = measured.setdefault((peer, wait), Times([], []))
                    times.wall.append(wall)
                    times.cpu.append(cpu)
                _say(f"{wait} ms: round {number + 1} of {size.rounds[wait]}")
    return measured


def _timed(walk: peers.Walk, peer: Peer, expected: list[tuple[int, Decimal]]) -> tuple[float, float]:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    rows = walk()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if peers.identities(rows) != expected:
        raise SystemExit(f"{peer.name} read something else than the list.")
    return wall, cpu


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


# -- single figures


def decoding(url: str, rounds: int) -> float:
    """The time to decode one page, checks included, over that of json.loads."""
    with urlopen(f"{url}{PATH}?limit={LIMIT}&offset=0") as response:  # noqa: S310 - our own loopback
        body = response.read()
    ratios = []
    for _ in range(rounds):
        ours, plain = (_repeated(decode, body) for decode in (decode_page, json.loads))
        ratios.append(ours / plain)
    return median(ratios)


def _repeated(decode: Callable[[bytes], object], body: bytes) -> float:
    started = time.perf_counter()
    for _ in range(50):
        decode(body)
    return time.perf_counter() - started


def bytes_held(url: str) -> float:
    """What one invoice of a list that is kept takes."""
    with InvoicesClient(api_key=KEY, base_url=url) as client:
        client.list().first()
        gc.collect()
        tracemalloc.start()
        held = list(client.list())
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return taken / len(held)


def requests_made(url: str, concurrency: int) -> int:
    """How many requests one walk over the list costs, by the server's count."""
    before = _asked(url)
    with InvoicesClient(api_key=KEY, base_url=url, concurrency=concurrency) as client:
        for _ in client.list():
            pass
    return _asked(url) - before


def _asked(url: str) -> int:
    with urlopen(f"{url}/requests") as response:  # noqa: S310 - our own loopback
        return int(response.read())


_STREAM = """
import sys, time
from gcore_invoices import InvoicesClient

url, pause = sys.argv[1], float(sys.argv[2])
with InvoicesClient(api_key="bench", base_url=url, concurrency=8) as client:
    for page in client.list().pages():
        time.sleep(pause)
# Not getrusage: its peak begins with that of the process that started this one.
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak_memory(url: str, pause: float) -> float:
    """MiB that a process takes at most while it streams the list at concurrency 8."""
    return int(_python(sys.executable, _STREAM, url, str(pause))) / 1024


_BARE, _IMPORT_HTTPX = "", "import httpx"
_IMPORT_OURS = "from gcore_invoices import InvoicesClient"
_FIRST_OURS = """
import sys
from gcore_invoices import InvoicesClient
with InvoicesClient(api_key="bench", base_url=sys.argv[1]) as client:
    print(next(iter(client.list())).id)
"""
_FIRST_HTTPX = """
import sys, httpx
with httpx.Client(base_url=sys.argv[1], headers={"Authorization": "apikey bench"}) as client:
    page = client.get("/billing/org/v1/erp-invoices", params={"limit": 100, "offset": 0})
    print(page.raise_for_status().json()["results"][0]["id"])
"""


def starting(url: str, rounds: int) -> dict[str, float]:
    """Seconds that fresh processes take, by what they run, net of the bare interpreter."""
    python = RUNTIME if RUNTIME.exists() else sys.executable
    codes = (_BARE, _IMPORT_HTTPX, _IMPORT_OURS, _FIRST_HTTPX, _FIRST_OURS)
    taken: dict[str, list[float]] = {code: [] for code in codes}
    for _ in range(rounds):
        for code in codes:
            started = time.perf_counter()
            _python(python, code, url)
            taken[code].append(time.perf_counter() - started)
    bare = median(taken[_BARE])
    return {code: median(times) - bare for code, times in taken.items()}


def _python(python: str | Path, code: str, *arguments: str) -> str:
    command = [python, "-P", "-c", code, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=200)  # noqa: S603
    return done.stdout


# -- the tables


TIMES = "×"  # noqa: RUF001 - the sign


@dataclass(frozen=True)
class Target:
    """One row: what must be reached, and what was."""

    what: str
    bound: float
    measured: float | None
    of: str = ""
    """What the figure is made of."""
    unit: str = TIMES
    at_least: bool = False

    @property
    def cells(self) -> tuple[str, ...]:
        """The row."""
        bound = f"{'≥' if self.at_least else '≤'} {_number(self.bound)} {self.unit}"
        if self.measured is None:
            return self.what, bound, "", "not measured", self.of
        measured = f"{_number(self.measured)} {self.unit}"
        shown = round(self.measured, 2)  # judged as it is shown
        if shown >= self.bound if self.at_least else shown <= self.bound:
            return self.what, bound, measured, "reached", self.of
        reason = next((MISSES[part] for part in MISSES if part in self.what), "not looked into yet")
        return self.what, bound, measured, "**missed**", "; ".join(filter(None, (self.of, reason)))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"


def walk_targets(measured: Measured) -> list[Target]:
    """The targets that compare walks, in the order of the issue that set them."""
    sdk, generated, bare = peers.SDK, peers.GENERATED, peers.BARE_HTTPX
    one, logged, eight, sixteen = peers.OURS_1, peers.OURS_1_LOGGED, peers.OURS_8, peers.OURS_16

    def faster(peer: Peer, other: Peer, wait: int, bound: float) -> Target:
        what = f"{wait} ms: {peer.name}: faster than {other.name}"
        return Target(what, bound, *_ratio(measured, other, peer, wait), at_least=True)

    def slower(peer: Peer, other: Peer, wait: int, bound: float, kind: str = "wall") -> Target:
        what = f"{wait} ms: {peer.name}: {'CPU ' if kind == 'cpu' else ''}time of {other.name}"
        return Target(what, bound, *_ratio(measured, peer, other, wait, kind))

    return [
        faster(sixteen, sdk, 50, 13),
        faster(peers.OURS_DEFAULT, sdk, 50, 4),
        slower(eight, peers.FLOOR_8, 50, 1.08),
        slower(sixteen, peers.FLOOR_16, 50, 1.08),
        slower(one, bare, 0, 1.8, "cpu"),
        slower(logged, bare, 0, 1.8, "cpu"),
        faster(one, generated, 0, 1.4),
        faster(one, sdk, 0, 9),
        slower(peers.OURS_DEFAULT, one, 0, 1.5),
    ]


def _ratio(
    measured: Measured, peer: Peer, other: Peer, wait: int, kind: str = "wall"
) -> tuple[float | None, str]:
    """How many times the time of the second the first took, and both times."""
    if not ((peer, wait) in measured and (other, wait) in measured):
        return None, "not part of this run"
    first, second = (median(getattr(measured[each, wait], kind)) for each in (peer, other))
    return first / second, f"{first:.3f} s / {second:.3f} s"


def single_targets(url: str, many: str, size: Size) -> list[Target]:
    """The other targets, measured on the way."""
    started = starting(url, size.starts)
    httpx_in, ours_in, httpx_first, ours_first = (
        started[code] for code in (_IMPORT_HTTPX, _IMPORT_OURS, _FIRST_HTTPX, _FIRST_OURS)
    )
    base = peak_memory(url, 0)
    streamed, rested = peak_memory(many, 0), peak_memory(many, size.pause)
    count, long = f"{size.invoices:,}", f"{size.many:,}"
    most = math.ceil(size.invoices / (LIMIT - 1)) + 1
    asked = max(requests_made(url, concurrency) for concurrency in (1, 4, 16))
    rest = f"rests {size.pause * 1000:.0f} ms after each page"
    return [
        Target("one page decoded and checked: time of `json.loads`", 0.7, decoding(url, 5 * size.starts)),
        Target(
            f"`{_IMPORT_OURS}`: time of `{_IMPORT_HTTPX}`",
            1.8,
            ours_in / httpx_in,
            f"{ours_in:.3f} s / {httpx_in:.3f} s",
        ),
        Target(
            "first invoice in a fresh process: time of httpx + json",
            1.6,
            ours_first / httpx_first,
            f"{ours_first:.3f} s / {httpx_first:.3f} s",
        ),
        Target(
            f"peak memory of {long} over {count}", 8, streamed - base, f"{base:.1f} MiB for {count}", "MiB"
        ),
        Target("the same with a slow consumer", 8, rested - base, rest, "MiB"),
        Target("an invoice held", 1000, bytes_held(url), unit="bytes"),
        Target(f"requests for {count} invoices", most, asked, "the most at concurrency 1, 4, 16", "requests"),
    ]


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def walk_rows(measured: Measured, waits: list[int]) -> list[tuple[str, ...]]:
    """A row for each peer: its median times, and what of them at 0 ms was CPU."""

    def cell(peer: Peer, wait: int, kind: str) -> str:
        times = measured.get((peer, wait))
        return f"{median(getattr(times, kind)):.3f}" if times else ""

    return [
        (peer.name, peer.gives, *(cell(peer, wait, "wall") for wait in waits), cell(peer, 0, "cpu"))
        for peer in PEERS
        if peer.installed
    ]


_PAGE = """\
# How fast it is

Written by `{command}` on {today}. Run it again before you believe it.

{count:,} invoices in pages of {limit} come from a server on the same machine, which has rendered its answers
beforehand and waits {waits} ms before each. Plain HTTP, no compression. Medians of {rounds} rounds; within a
round the clients take turns. Each has one client with open connections, and the ids and amounts that it
read were compared with the list. What is ours runs as it comes, with its plugins (logging, metrics, retries).

## Targets

Ratios are of medians of one run. Times in fresh processes are net of the bare interpreter, with nothing
installed beside the run-time dependencies. Pages overlap by one row, and a walk looks once beyond the last.
Raw sockets ask for the first page alone, too, as whoever has to learn the count from it must.

{targets}

## All walks

In seconds. CPU is that of the client's process at 0 ms.

{walks}

{machine}
"""


def document(measured: Measured, singles: list[Target], size: Size) -> str:
    """The page."""
    waits = list(size.rounds)
    cells = [each.cells for each in (*walk_targets(measured), *singles)]
    heads = ("", "gives", *(f"{wait} ms" for wait in waits), "CPU")
    return _PAGE.format(
        command=size.command,
        today=f"{datetime.now(UTC):%d %B %Y}",
        count=size.invoices,
        limit=LIMIT,
        waits=", ".join(map(str, waits)),
        rounds=", ".join(map(str, size.rounds.values())),
        targets=table(("what", "target", "measured", "", "of"), cells),
        walks=table(heads, walk_rows(measured, waits)),
        machine=_machine(),
    )


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    cpu = next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )
    python = f"{platform.python_implementation()} {platform.python_version()}"
    versions = [f"{name} {found}" for name in LIBRARIES if (found := _version(name))]
    system = f"{platform.system()} {platform.release()}"
    return f"{os.cpu_count()} CPUs ({cpu}), {system}, {python}, {', '.join(versions)}."


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def run(size: Size) -> str:
    """Measure everything; the page."""
    waits = list(size.rounds)
    with serving(*((size.invoices, wait) for wait in waits), (size.many, 0)) as (*urls, many):
        singles = single_targets(urls[0], many, size)
        _say("single figures are measured")
        return document(measure_walks(dict(zip(waits, urls, strict=True)), size), singles, size)


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", dest="size", action="store_const", const=QUICK, default=FULL)
    size.add_argument("--smoke", dest="size", action="store_const", const=SMOKE)
    parser.add_argument(
        "--output", type=Path, help="where to write the page (make bench: docs/benchmarks.md)"
    )
    arguments = parser.parse_args()
    page = run(arguments.size)
    print(page)
    if arguments.output:
        arguments.output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
