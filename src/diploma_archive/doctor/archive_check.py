"""What `doctor` says of the archive in the bucket: is there one, and whose?"""

from __future__ import annotations

from diploma_archive.archive.identity import check_format, check_identity
from diploma_archive.archive.stored_cursor import stored_cursors
from diploma_archive.errors import StoreError
from diploma_archive.model.cursor import prunable
from diploma_archive.model.doctor_check import Check, from_error, ok, warning
from diploma_archive.model.json_document import from_json
from diploma_archive.model.keys import CURSORS, IDENTITY_KEY
from diploma_archive.store.reader import Reader


def cursor_check(reader: Reader) -> Check:
    """Return what the cursors say: how far nightly runs have read, and whether runs may remove old ones."""
    try:
        there = stored_cursors(reader)
    except StoreError as error:
        return from_error("cursors", error)
    unread = there.newly_torn
    if unread:
        fix = "Nothing is lost: the next run looks at more than need be. Find out who changed it, and move it away"
        return warning("cursors", f"cannot be read: {', '.join(unread)}", fix)
    if there.newly_unnamed:
        fix = "The next run goes by the others, or reads everything. Find out who wrote it, and move it away"
        return warning("cursors", f"no run report names: {', '.join(there.newly_unnamed)}", fix)
    left = prunable(there.whole, there.torn)
    if left:
        fix = f"Allow s3:DeleteObject on {CURSORS}* below the prefix (deployments/iam/archiver.json)"
        return warning("cursors", f"{len(left)} old ones could not be removed by the runs that should", fix)
    newest = there.cursor.newest
    return ok("cursors", "none yet" if newest is None else f"changes until {newest} are read")


def archive_check(reader: Reader, account: str | None) -> Check:
    """Return what `archive.json` says.

    Args:
        account: whose archive it must be, or None where the settings do not say.
    """
    try:
        stored = reader.get(IDENTITY_KEY)
        if stored is None:
            return ok("archive", "none yet below this prefix; the first run begins it")
        document = from_json(stored.body, IDENTITY_KEY)
        if account is None:
            check_format(document)
            return ok("archive", "there is one below this prefix")
        check_identity(document, account=account)
        return ok("archive", f"that of account {account}")
    except StoreError as error:
        return from_error("archive", error)
