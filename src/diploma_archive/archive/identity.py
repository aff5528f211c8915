"""Whose archive this is: `archive.json`, created once (DESIGN.md section 5).

Rule: two accounts never share a prefix, and a program never writes into a layout that it does not know.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from diploma_archive.errors import Kind, StoreError
from diploma_archive.model.json_document import FORMAT, Document, utc_text


def new_identity(*, account: str, prefix: str, base_url: str, created_at: datetime) -> Document:
    """Return the identity of an archive that begins now."""
    return {
        "format": FORMAT,
        "archive_id": id_of(account, prefix),
        "account": account,
        "base_url": base_url,
        "created_at": utc_text(created_at),
    }


def id_of(account: str, prefix: str) -> str:
    """Return the id of an archive that begins below this prefix (without a final slash)."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"diploma-archive:{account}/{prefix}"))


def check_identity(document: Document, *, account: str) -> None:
    """Check that an archive is ours.

    Raises:
        StoreError: it has another format or belongs to another account; fatal.
    """
    check_format(document)
    if document.get("account") != account:
        raise StoreError(
            "the archive below this prefix belongs to another FrontCore account",
            fix="Set FRONTCORE_ACCOUNT to the name that the archive was begun with, or use another ARCHIVE_PREFIX",
            kind=Kind.FATAL,
        )


def check_format(document: Document) -> None:
    """Check that an archive has the layout that this program knows.

    Raises:
        StoreError: it has another format; fatal.
    """
    if document.get("format") != FORMAT:
        raise StoreError(
            f"the archive in this bucket has another format than {FORMAT}",
            fix="Use the version of diploma-archive that wrote it, or another ARCHIVE_PREFIX",
            kind=Kind.FATAL,
        )
