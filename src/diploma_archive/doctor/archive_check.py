"""What `doctor` says of the archive in the bucket: is there one, and whose?"""

from __future__ import annotations

from diploma_archive.archive.identity import check_format, check_identity
from diploma_archive.errors import StoreError
from diploma_archive.model.doctor_check import Check, from_error, ok
from diploma_archive.model.json_document import from_json
from diploma_archive.model.keys import IDENTITY_KEY
from diploma_archive.store.reader import Reader


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
