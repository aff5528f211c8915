"""The head that a run hands out: key and SHA-256 of its report, for whoever keeps them outside the bucket.

Rule: with it the whole chain behind it is fixed, and it holds no personal data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ROWS = re.compile(
    r"^\| report \| `(runs/[^`\s]+)` \|\n\| its SHA-256 \| `([0-9a-f]{64})` \|\n\| archive \| `([0-9a-f]{64})` \|$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class RunHead:
    """Key and SHA-256 (hex) of a run report, and the SHA-256 of its `archive.json` where that is known."""

    key: str
    sha256: str
    archive: str | None = None

    def to_fields(self) -> dict[str, str]:
        """Return it as `--json` shows it and `verify --heads` takes it."""
        return {"key": self.key, "sha256": self.sha256}

    def to_rows(self) -> list[str]:
        """Return it as rows of a table in Markdown, as `head_in_rows` finds it again."""
        return [
            f"| report | `{self.key}` |",
            f"| its SHA-256 | `{self.sha256}` |",
            f"| archive | `{self.archive}` |",
        ]


def head_in_rows(markdown: str) -> RunHead | None:
    """Return the head in a summary of a run, or None where there is none."""
    found = _ROWS.search(markdown)
    return None if found is None else RunHead(*found.groups())


def read_heads(lines: Iterable[str]) -> list[RunHead]:
    """Return the heads that JSON lines name; blank lines are none.

    Raises:
        ValueError: a line is no object with `key` and `sha256`; the text is the number of the line.
    """
    heads = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            said = None
        # A whole answer of `sync --json` is taken too: its head is in it.
        said = said.get("head", said) if isinstance(said, dict) else None
        key, sha256 = (said.get("key"), said.get("sha256")) if isinstance(said, dict) else (None, None)
        if not (isinstance(key, str) and isinstance(sha256, str) and is_sha256(sha256.lower())):
            raise ValueError(number)
        heads.append(RunHead(key, sha256.lower()))
    return heads


def is_sha256(value: object) -> bool:
    """Return whether a value is a SHA-256 as 64 small hex digits."""
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None
