"""How a run treats what it finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How a run treats what it finds."""

    run_id: str
    force: bool = False
    dry_run: bool = False
    omit_fields: tuple[str, ...] = ()
