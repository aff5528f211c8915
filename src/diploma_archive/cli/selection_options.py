"""The options that choose participants, as `sync` and `reconcile` take them.

Rule: a mistyped choice is refused before the first request; it is never taken for "everything".
"""

from __future__ import annotations

from diploma_archive.errors import SettingsError
from diploma_archive.listing.selection import Scope, Selection, choose
from diploma_archive.model.source_time import read_filter_time


def chosen_selection(
    everything: bool, participants: list[str], users: list[str], updated_since: str | None
) -> Selection | None:
    """Return what `--all`, `--participant`, `--user` and `--updated-since` choose, or None where none is given.

    Raises:
        SettingsError: they exclude each other, or something is no id, range or date.
    """
    chosen = [name for name, given in (("--participant", participants), ("--user", users)) if given]
    chosen += ["--updated-since"] if updated_since is not None else []
    if everything and chosen:
        raise SettingsError(f"--all and {chosen[0]} exclude each other", fix="Leave one of them out")
    if updated_since is not None:
        if len(chosen) > 1:
            raise SettingsError(f"--updated-since and {chosen[0]} exclude each other", fix="Leave one of them out")
        since = read_filter_time(updated_since)
        if since is None:
            raise SettingsError(
                "--updated-since is no date that exists", fix='Write it as "2026-03-01" or "2026-03-01 12:00:00"'
            )
        return Selection(Scope.BACKFILL, filters=(("updated_at_min", since),))
    if chosen:
        return choose(participants, users)
    return Selection(Scope.FULL) if everything else None
