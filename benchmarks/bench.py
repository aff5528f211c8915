"""What this program costs beside what one would write without it: `make bench`.

    .venv/bin/python -m benchmarks.bench [--json FILE] [--quick]

Everything is local and real: a sandbox FrontCore and `rclone serve s3` as processes of their own, PDFs of 60 kB, a
Prefect server. Competitors take turns within each round, and ratios are taken within a round, so that they hold on a
busy machine; the table shows the middle of the rounds. Figures in seconds are this machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.seeded import seed
from benchmarks.source import Source
from deployments.local.servers import LocalPrefect, clean_environment
from tests.support.rclone import RcloneS3

ROOT = Path(__file__).resolve().parents[1]
PDF_BYTES = 60_000
Figures = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How many participants each part has."""

    cold: int = 1_200
    rounds: int = 3
    flow: int = 4_800  # so that the seconds in which a flow begins and ends are what they are in a real run
    small: int = 240  # for those who take long
    budget: int = 10_000
    memory: tuple[int, int] = (2_000, 50_000)
    rated: int = 110


QUICK = Sizes(cold=300, rounds=1, flow=400, small=60, budget=1_000, memory=(500, 3_000), rated=20)


@dataclass
class Bench:
    """The servers, and what was measured."""

    s3: RcloneS3
    prefect: LocalPrefect
    rows: list[tuple[str, str, str, bool | None]] = field(default_factory=list)
    measured: dict[str, Any] = field(default_factory=dict)
    buckets: int = 0

    def bucket(self) -> str:
        """Return a new bucket."""
        self.buckets += 1
        name = f"bench-{self.buckets}"
        self.s3.create_bucket(name)
        return name

    def run(self, what: str, source: Source, bucket: str, **environment: str) -> Figures:
        """Run a competitor and return its figures, with the requests that reached FrontCore."""
        source.reset()
        command = [sys.executable, "-m", "benchmarks.measured", what]
        whole = {**self.environment(source, bucket), **environment}
        done = subprocess.run(command, env=whole, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise SystemExit(f"{what} failed:\n{done.stderr[-2000:]}")
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        figures.pop("failures", None)
        figures |= {"source": source.stats(), "bucket": bucket}
        figures["participants"] = source.participants
        figures["per_second"] = source.participants / figures["seconds"]
        say(f"  {what:10} {figures['per_second']:7.1f} diplomas/s")
        return figures

    def environment(self, source: Source, bucket: str) -> dict[str, str]:
        """Return what a competitor needs to know."""
        return {
            **clean_environment(),
            **self.s3.environment(),
            **source.environment(),
            **self.prefect.environment(),
            "ARCHIVE_BUCKET": bucket,
        }

    def row(self, what: str, target: str, measured: str, met: bool | None) -> None:
        """Keep a row of the table."""
        self.rows.append((what, target, measured, met))


def say(text: str) -> None:
    """Print a line at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def main() -> None:
    """Measure everything, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench.json", help="where the figures go")
    parser.add_argument("--quick", action="store_true", help="small sizes: does the benchmark itself work?")
    options = parser.parse_args()
    sizes = QUICK if options.quick else Sizes()
    started = time.monotonic()
    with RcloneS3() as s3, LocalPrefect() as prefect:
        bench = Bench(s3, prefect)
        for part in (throughput, resume, flow, budget, memory, rate):
            say(f"{part.__name__} ({time.monotonic() - started:.0f} s)")
            part(bench, sizes)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(bench.measured, indent=2) + "\n")
    sys.stdout.write(table(bench.rows))
    sys.stdout.write(f"\n{time.monotonic() - started:.0f} s in all; all figures: {options.json}\n")


def table(rows: list[tuple[str, str, str, bool | None]]) -> str:
    """Return the rows as a Markdown table."""
    marks = {True: "yes", False: "**no**", None: ""}
    lines = ["| figure | target | measured | met |", "|---|---|---|---|"]
    lines += [f"| {what} | {target} | {measured} | {marks[met]} |" for what, target, measured, met in rows]
    return "\n".join(lines) + "\n"


def throughput(bench: Bench, sizes: Sizes) -> None:
    """Cold, steady and nightly, beside the floor; once beside the script and beside rclone."""
    rounds: list[dict[str, Figures]] = []
    with Source(sizes.cold, pdf_bytes=PDF_BYTES) as source:
        for _ in range(sizes.rounds):
            done = {what: bench.run(what, source, bench.bucket()) for what in ("floor", "sync")}
            before = _evidence(bench, done["sync"]["bucket"])
            done["steady"] = bench.run("sync", source, done["sync"]["bucket"])
            done["steady"]["wrote_evidence"] = _evidence(bench, done["sync"]["bucket"]) != before
            rounds.append(done)
        copied = bench.run("copyurl", source, bench.bucket())
        nightly = _nightly(bench, source, rounds[-1]["sync"]["bucket"])
    with Source(sizes.small, pdf_bytes=PDF_BYTES) as source:
        script = bench.run("sequential", source, bench.bucket())
    middle = {what: _middle([done[what] for done in rounds]) for what in rounds[0]}
    bench.measured |= {"rounds": rounds, "copyurl": copied, "nightly": nightly, "sequential": script}
    cold = _ratio(rounds, "sync", "floor")
    bench.row("cold throughput, `sync`, against the floor", "at least 0.75", f"{cold:.2f}", cold >= 0.75)
    steady = _ratio(rounds, "steady", "sync")
    bench.row("steady run against cold", "at least 5 times", f"{steady:.1f} times", steady >= 5)
    downloads = max(done["steady"]["source"]["requests"].get("download", 0) for done in rounds)
    silent = not downloads and not any(done["steady"]["wrote_evidence"] for done in rounds)
    requests = max(done["steady"]["s3_requests"] for done in rounds) / sizes.cold
    bench.row(
        "steady run: downloads, evidence written, S3 requests",
        "0, none, at most 1 LIST a diploma",
        f"{downloads}, {'none' if silent else 'some'}, {requests:.3f} a diploma",
        silent and requests <= 1,
    )
    for what in ("floor", "sync", "steady"):
        bench.row(what, "", _costs(middle[what]), None)
    made = sum(nightly["source"]["requests"].values())
    bench.row("nightly, 1 % changed", "", f"{nightly['seconds']:.1f} s, {made} requests to FrontCore", None)
    bench.row("script, one after the other", "", _costs(script), None)
    bench.row("rclone copyurl, with ready links", "", f"{copied['per_second']:.0f} PDFs/s", None)


def _nightly(bench: Bench, source: Source, bucket: str) -> Figures:
    """Return the figures of an incremental run after one diploma in a hundred changed."""
    for diploma_id in range(500_001, 500_001 + source.participants - 1, 100):
        source.reissue(diploma_id)
    return bench.run("sync", source, bucket, BENCH_SCOPE="incremental")


def resume(bench: Bench, sizes: Sizes) -> None:
    """`kill -9` at half, and again from there."""
    with Source(sizes.cold, pdf_bytes=PDF_BYTES) as source:
        bucket = bench.bucket()
        command = [sys.executable, "-m", "diploma_archive.cli", "sync", "--all"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, env=bench.environment(source, bucket), cwd=ROOT, **quiet)  # type: ignore[call-overload]  # noqa: S603
        while source.stats()["requests"].get("download", 0) < sizes.cold / 2:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        first = source.stats()["requests"]
        committed = sum(1 for _ in (bench.s3.root / bucket / "certificates").glob("*/*.json"))
        again = bench.run("sync", source, bucket)
        second = again["source"]["requests"]
        plain = bench.run("sync", source, bucket)["source"]["requests"]
    repeated = first["diplomas"] + second["diplomas"] - plain["diplomas"]
    downloads = second.get("download", 0) - (sizes.cold - committed)
    bench.measured["resume"] = {"first": first, "second": second, "plain": plain, "committed": committed}
    bench.row(
        "resume after kill -9: committed diplomas downloaded, listings repeated",
        "none, at most a batch (50)",
        f"{max(downloads, 0)}, {repeated}",
        downloads <= 0 and repeated <= 50,
    )


def flow(bench: Bench, sizes: Sizes) -> None:
    """The Prefect flow beside `sync` and beside naive Prefect, on one running server."""
    bench.prefect.wait()
    with Source(sizes.flow, pdf_bytes=PDF_BYTES) as source:
        bucket = bench.bucket()
        command = [sys.executable, "-m", "deployments.setup"]
        subprocess.run(command, env=bench.environment(source, bucket), cwd=ROOT, check=True, capture_output=True)  # noqa: S603
        sync = bench.run("sync", source, bench.bucket())
        before = _database_bytes(bench.prefect)
        ours = bench.run("flow", source, bucket)
        ours["database_bytes"] = (_database_bytes(bench.prefect) - before) / source.participants
    if not str(ours["message"]).startswith(f"{sizes.flow} archived"):
        raise SystemExit(f"the flow ended so: {ours['message']}")
    with Source(sizes.small, pdf_bytes=PDF_BYTES) as source:
        before = _database_bytes(bench.prefect)
        naive = bench.run("naive", source, bench.bucket())
        naive["database_bytes"] = (_database_bytes(bench.prefect) - before) / source.participants
    bench.measured["flow"] = {"sync": sync, "flow": ours, "naive": naive}
    times, share = ours["per_second"] / naive["per_second"], ours["per_second"] / sync["per_second"]
    bench.row(
        "cold throughput, the flow, against naive Prefect", "at least 10 times", f"{times:.1f} times", times >= 10
    )
    bench.row("Prefect flow against `sync`", "at least 0.9", f"{share:.2f}", share >= 0.9)
    bench.row(
        "Prefect database a diploma (naive)",
        "at most 600 bytes",
        f"{ours['database_bytes']:.0f} bytes ({naive['database_bytes']:.0f})",
        ours["database_bytes"] <= 600,
    )


def budget(bench: Bench, sizes: Sizes) -> None:
    """How many requests a full pass over many enrolments of fewer persons makes; a dry run makes all but downloads."""
    with Source(sizes.budget) as source:
        counts = bench.run("sync", source, bench.bucket(), BENCH_DRY_RUN="1")
        made, allowed = sum(counts["source"]["requests"].values()), 1.01 * (source.participants / 250 + source.persons)
    bench.measured["budget"] = counts
    bench.row(
        f"requests of a full pass, {source.participants} enrolments of {source.persons} persons, nothing new",
        f"at most {allowed:.0f}",
        str(made),
        made <= allowed,
    )


def memory(bench: Bench, sizes: Sizes) -> None:
    """The peak of a full pass over a small and over a large archive."""
    peaks = []
    for participants in sizes.memory:
        with Source(participants) as source:
            bucket = bench.bucket()
            seed(bench.s3.root / bucket, participants, source.persons)
            figures = bench.run("sync", source, bucket)
            if figures["unchanged"] != participants:
                raise SystemExit(f"the seeded archive is not what the source has: {figures}")
            peaks.append(figures["peak_mb"])
    bench.measured["memory"] = dict(zip(map(str, sizes.memory), peaks, strict=True))
    ratio = peaks[1] / peaks[0]
    bench.row(
        f"peak memory at {sizes.memory[1]} participants against {sizes.memory[0]}",
        "at most 1.15 times, under 250 MB",
        f"{ratio:.2f} times, {peaks[1]:.0f} MB",
        ratio <= 1.15 and peaks[1] < 250,
    )


def rate(bench: Bench, sizes: Sizes) -> None:
    """The whole budget of 5 requests a second is used, and never exceeded."""
    with Source(sizes.rated, pdf_bytes=PDF_BYTES, requests_per_second=5) as source:
        figures = bench.run("sync", source, bench.bucket(), FRONTCORE_REQUESTS_PER_SECOND="5")
    seen = figures["source"]
    share, refused = seen["rate_over_run"] / 5, seen["requests"].get("refused", 0)
    bench.measured["rate"] = figures
    bench.row(
        "rate limit on: share of 5/s, refused, busiest second",
        "at least 98 %, 0, at most 5",
        f"{share:.1%}, {refused}, {seen['busiest_second']}",
        share >= 0.98 and not refused and seen["busiest_second"] <= 5,
    )


def _evidence(bench: Bench, bucket: str) -> set[tuple[str, int]]:
    folders = (bench.s3.root / bucket / name for name in ("diplomas", "certificates"))
    return {(str(path), path.stat().st_mtime_ns) for folder in folders for path in folder.rglob("*") if path.is_file()}


def _middle(figures: list[Figures]) -> Figures:
    return sorted(figures, key=lambda one: float(one["per_second"]))[len(figures) // 2]


def _ratio(rounds: list[dict[str, Figures]], what: str, against: str) -> float:
    return statistics.median(done[what]["per_second"] / done[against]["per_second"] for done in rounds)


def _costs(figures: Figures) -> str:
    count = figures["participants"]
    requests, to_s3 = sum(figures["source"]["requests"].values()) / count, figures["s3_requests"] / count
    each = f"{figures['cpu_ms'] / count:.1f} ms CPU, {requests:.2f} requests to FrontCore, {to_s3:.2f} to S3"
    return f"{figures['per_second']:.0f} diplomas/s; each {each}; peak {figures['peak_mb']:.0f} MB"


def _database_bytes(prefect: LocalPrefect) -> int:
    time.sleep(4)  # events arrive late
    with closing(sqlite3.connect(f"file:{prefect.database}?mode=ro", uri=True)) as database:
        ask: Callable[[str], int] = lambda name: int(database.execute(f"PRAGMA {name}").fetchone()[0])  # noqa: E731
        return (ask("page_count") - ask("freelist_count")) * ask("page_size")


if __name__ == "__main__":
    main()
