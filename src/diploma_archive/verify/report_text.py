"""What a check found, as a person reads it: plain text for a terminal, Markdown for Prefect.

Rule: keys, hashes and counts only. A key may hold anything a stranger chose, so what cannot be printed is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from diploma_archive.evidence.findings import ADVICE, TITLES, Finding
from diploma_archive.model.markdown import MAX_ROWS
from diploma_archive.verify.verify import Verification


def printable(text: str) -> str:
    """Return text that fits on one line of a terminal."""
    return text if text.isprintable() else ascii(text)[1:-1]


def sentence(result: Verification) -> str:
    """Return the outcome in one sentence."""
    counts = result.to_dict()["counts"]
    objects = result.checked["objects"]
    if not counts:
        return f"{objects} objects checked, nothing found"
    return f"{objects} objects checked, found: " + ", ".join(f"{count} {name}" for name, count in counts.items())


def report(result: Verification) -> str:
    """Return the whole report as plain text."""
    lines = [*_checked(result), ""]
    lines += [f"Note: {printable(note.key)}: {note.detail}" for note in result.notes]
    if result.notes:
        lines.append("")
    for kind, found in groupby(result.findings, lambda finding: finding.kind):
        group = list(found)
        lines.append(f"{kind.value} ({len(group)}): {TITLES[kind]}")
        lines += [f"  {printable(one.key)}\n    {printable(one.detail)}" for one in group]
        lines += [f"  What to do: {ADVICE[kind]}.", ""]
    return "\n".join([*lines, f"{sentence(result)}."])


def markdown(result: Verification, title: str) -> str:
    """Return the report for Prefect's UI: at most 200 findings."""
    lines = [f"# {title}", "", f"**{sentence(result)}**", "", *(f"- {line}" for line in _checked(result)), ""]
    if result.findings:
        lines += ["## Found", "", "| class | key | what |", "|---|---|---|"]
        lines += [_row(finding) for finding in result.findings[:MAX_ROWS]]
        if len(result.findings) > MAX_ROWS:
            lines.append(f"\n{len(result.findings) - MAX_ROWS} more; `diploma-archive verify` shows them all.")
        kinds = sorted({finding.kind for finding in result.findings})
        lines += ["", "## What to do", "", *(f"- **{kind.value}**: {ADVICE[kind]}." for kind in kinds), ""]
    if result.notes:
        lines += ["## Notes", "", *(f"- {_cell(note.key)}: {note.detail}" for note in result.notes[:MAX_ROWS])]
    return "\n".join(lines)


def _checked(result: Verification) -> Iterator[str]:
    seen, order = result.figures, result.order
    which = " ".join(f"{name} {value}" for name, value in order.choice.to_dict().items()) or "everything"
    yield (
        f"Checked {printable(which)} ({'full' if order.full else 'quick'}): {seen['objects']} objects of "
        f"{seen['certificates']} certificates; {seen['records']} good records, {seen['files']} files, "
        f"{_size(seen['bytes'])} read"
    )
    if seen["proven"]:
        yield f"{seen['proven']} files by the checksum that S3 keeps of them, without reading them"
    if seen["not_proven"]:
        yield f"{seen['not_proven']} files are NOT PROVEN: S3 keeps no checksum of them; verify --full reads them"
    if seen["not_recomputed"]:
        yield (
            f"{seen['not_recomputed']} records lack fields of their own fingerprint (ARCHIVE_OMIT_FIELDS): "
            "only the run reports prove those"
        )
    if seen["erased"]:
        yield f"{seen['erased']} records that reports name were erased, as receipts say"
    if result.chain is None:
        yield "The chain of run reports was not read: a diploma of which everything was deleted does not show"
        return
    yield f"Chain: {seen['reports']} run reports, {len(result.heads)} of them named by no other yet:"
    yield from (f"  head {head['key']} {head['sha256']}" for head in result.heads)


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _row(finding: Finding) -> str:
    return f"| {finding.kind.value} | {_cell(finding.key)} | {_cell(finding.detail)} |"


def _cell(text: str) -> str:
    safe = printable(text).replace("`", "'").replace("|", "\\|")
    return f"`{safe}`"
