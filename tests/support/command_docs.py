"""Makes the outputs in docs/commands.md anew, from the real commands: `make docs`.

Each block that begins with three backticks and `console` is run, command by command, in the order of the file, in one
folder and against one sandbox and bucket. Comments in the file steer it: `<!-- step: NAME -->` changes something first
(a function below), `<!-- show: 6 ... 2 -->` before a block keeps the first 6 and the last 2 lines of each output.

Rule: what differs from run to run (ids, hashes, dates, sizes) is no difference: the file is written only where
something else is not as it was.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from diploma_archive.sandbox import LocalS3, Sandbox
from tests.support.paths import ROOT
from tests.support.world import Bucket, new_bucket

FILE = ROOT / "docs" / "commands.md"
REISSUED, UNINDEXED, CHANGED, WITHDRAWN, GONE = 12345, 500026, 500004, 12345, 500006

_STEP = re.compile(r"<!-- step: ([a-z-]+) -->")
_SHOW = re.compile(r"<!-- show: ([0-9]+) \.\.\. ([0-9]+) -->")
_PLAIN = (
    (r"[0-9a-f]{64}|[0-9a-f]{32}|\b[0-9a-f]{16}\b", "HEX"),
    (r"20[0-9]{6}T[0-9]{6}Z", "MOMENT"),
    (r"20[0-9]{2}-[0-9]{2}-[0-9]{2}([ T][0-9:.]{8,15}Z?)?", "DATE"),
    (r"runs/20[0-9]{2}/[0-9]{2}/[0-9]{2}/", "runs/DAY/"),
    (r"[0-9][0-9.,]* ?(GB|MB|kB|bytes)", "SIZE"),
    (r"archive-[0-9a-f]{12}", "BUCKET"),
    (r"in [0-9]+ s\b", "in N s"),
)


def plain(text: str) -> str:
    """Return a text with what differs from run to run replaced by fixed words."""
    for pattern, word in _PLAIN:
        text = re.sub(pattern, word, text)
    return text


@dataclass
class Session:
    """A school, its bucket, and the folder in which the commands run."""

    school: Sandbox
    bucket: Bucket
    s3: LocalS3
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)

    def run(self, line: str) -> str:
        """Run a line of shell, and return what it prints on both streams."""
        bin_folder = Path(sys.executable).parent
        environment = {
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            **self.s3.environment(),
            "FRONTCORE_API_KEY": self.school.api_key,
            "FRONTCORE_BASE_URL": self.school.base_url,
            "ARCHIVE_BUCKET": self.bucket.name,
            "ARCHIVE_PREFIX": self.bucket.prefix,
            **self.variables,
        }
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            env=environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout.strip("\n")

    def key_of(self, diploma_id: int, ending: str) -> str:
        """Return the key of a diploma's file (`.pdf`), record (`.json`) or index entry (`index`)."""
        below = "certificates/" if ending == "index" else "diplomas/"
        number = self.school.diplomas[diploma_id].random_certificate_number
        keys = [key for key in self.bucket.keys_below(below) if f"c-{number}/" in key]
        return next(key for key in keys if ending == "index" or key.endswith(ending))


def archive(session: Session) -> None:
    """Two runs, so that there is a chain of reports; quick, since nobody looks."""
    for _ in range(2):
        session.run("FRONTCORE_REQUESTS_PER_SECOND=500 diploma-archive sync --all")


def damage(session: Session) -> None:
    """A byte of a PDF is changed, and an index entry deleted."""
    file, entry = session.key_of(REISSUED, ".pdf"), session.key_of(UNINDEXED, "index")
    session.kept[file] = session.bucket.body(file)
    session.bucket.put(file, session.kept[file][:-30] + b"!" + session.kept[file][-29:])
    session.bucket.client.delete_object(Bucket=session.bucket.name, Key=f"{session.bucket.prefix}/{entry}")


def damage_file(session: Session) -> None:
    """A byte of a PDF is changed."""
    file = session.key_of(REISSUED, ".pdf")
    session.kept[file] = session.bucket.body(file)
    session.bucket.put(file, session.kept[file][:-30] + b"!" + session.kept[file][-29:])


def repair(session: Session) -> None:
    """The PDF is as it was."""
    for key, body in session.kept.items():
        whole = f"{session.bucket.prefix}/{key}"
        session.bucket.client.put_object(
            Bucket=session.bucket.name, Key=whole, Body=body, ContentType="application/pdf", ChecksumAlgorithm="SHA256"
        )


def change_the_source(session: Session) -> None:
    """One diploma is new, one was re-issued, one is not listed any more; from here on nobody waits for the rate."""
    session.variables["FRONTCORE_REQUESTS_PER_SECOND"] = "500"
    school = session.school
    school.add_diploma(987654, serial="2024-SAFE-002")
    school.reissue(CHANGED, "2026-02-27 12:00:00", passed_note="corrected")
    del school.diplomas[GONE]


def withdraw(session: Session) -> None:
    """The example is deleted in FrontCore, and the archive knows."""
    session.school.diplomas[WITHDRAWN].deleted_at = "2026-02-28 10:00:00"
    session.run("FRONTCORE_REQUESTS_PER_SECOND=500 diploma-archive sync --participant 987654")


def empty_target(session: Session) -> None:
    """The settings name an empty bucket."""
    session.bucket = new_bucket(session.s3)


def eraser(session: Session) -> None:
    """The settings have what `erase` needs."""
    session.variables |= {
        "ERASURE_AWS_ACCESS_KEY_ID": "sandbox",
        "ERASURE_AWS_SECRET_ACCESS_KEY": "sandbox-secret",
        "ARCHIVE_SUPPRESSION_KEY": "made up for the documentation, and nowhere else",
    }


STEPS: dict[str, Callable[[Session], None]] = {
    step.__name__.replace("_", "-"): step
    for step in (archive, damage, damage_file, repair, change_the_source, withdraw, empty_target, eraser)
}


def remade(text: str) -> str:
    """Return the documentation with the outputs of today's commands."""
    school = Sandbox(participants=40, persons=25, seed=1, requests_per_second=None)
    with school, LocalS3() as s3, tempfile.TemporaryDirectory() as folder:
        session = Session(school, new_bucket(s3), s3, Path(folder))
        return "\n".join(_lines(text.split("\n"), session))


def _lines(lines: list[str], session: Session) -> Iterator[str]:
    show, rest = None, iter(lines)
    for line in rest:
        yield line
        if step := _STEP.fullmatch(line):
            STEPS[step[1]](session)
        elif shown := _SHOW.fullmatch(line):
            show = int(shown[1]), int(shown[2])
        elif line == "```console":
            for inner in rest:
                if inner.startswith("$ "):
                    yield inner
                    yield from _cut(session.run(inner[2:]).split("\n"), show)
                if inner == "```":
                    yield inner
                    break
            show = None


def _cut(output: list[str], show: tuple[int, int] | None) -> list[str]:
    output = [line.rstrip() for line in output if line.strip() or len(output) > 1]
    if show is None or len(output) <= sum(show) + 1:
        return output
    first, last = show
    return [*output[:first], "...", *(output[-last:] if last else ())]


def main() -> int:
    """Write the file anew where it is not what the commands print; return 1 where it was not."""
    before = FILE.read_text(encoding="utf-8")
    after = remade(before)
    if plain(after) == plain(before):
        sys.stdout.write("docs/commands.md is what the commands print\n")
        return 0
    FILE.write_text(after, encoding="utf-8")
    sys.stdout.write("docs/commands.md was written anew: look at it with git diff\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
