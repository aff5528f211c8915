"""What a run remembers of the diplomas before, to see mix-ups: a bounded number, so that memory stays flat."""

from __future__ import annotations

from collections import OrderedDict

RECENT = 10_000  # files and serials of this run that are remembered, to see mix-ups


class RecentlySeen(OrderedDict[str, tuple[str, int]]):
    """The last things seen in this run: what -> (certificate segment, diploma id) that had it first."""

    def first_owner(self, what: str, certificate: str, diploma_id: int) -> tuple[str, int]:
        """Return who had `what` first, which is the asker where nobody had."""
        owner = self.setdefault(what, (certificate, diploma_id))
        self.move_to_end(what)
        if len(self) > RECENT:
            self.popitem(last=False)
        return owner
