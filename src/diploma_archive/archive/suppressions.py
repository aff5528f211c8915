"""Who was erased and must not come back, as the marks in the bucket say.

Rule: where marks cannot be understood, no run goes on.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable

from pydantic import SecretStr

from diploma_archive.errors import Kind, StoreError
from diploma_archive.model.json_document import Document, from_json
from diploma_archive.model.keys import SUPPRESSED
from diploma_archive.model.suppression_mark import MarkMaker, Suppressions
from diploma_archive.store.parallel import in_parallel
from diploma_archive.store.reader import Reader

READERS = 8
_MARK_KEY = re.compile(rf"{SUPPRESSED}([0-9a-f]{{64}})\.json")


def read_suppressions(reader: Reader, key: SecretStr | None) -> Suppressions:
    """Return the marks of an archive: one LIST, and one GET for each mark.

    Raises:
        StoreError: there are marks, but no key, or another key than they were made with, or one is damaged; fatal.
            Or S3 refused or failed.
    """

    def read(mark: str) -> bytes | None:
        stored = reader.get(mark)
        return None if stored is None else stored.body

    return suppressions_of((row.key for row in reader.list(SUPPRESSED)), read, key)


def suppressions_of(
    mark_keys: Iterable[str], read: Callable[[str], bytes | None], key: SecretStr | None
) -> Suppressions:
    """Likewise of marks that lie anywhere, such as in an export.

    Raises:
        StoreError: as `read_suppressions`.
    """
    found = [found for one in mark_keys if (found := _MARK_KEY.fullmatch(one))]
    if not found:
        return Suppressions(MarkMaker(key) if key else None)
    if key is None:
        raise StoreError(
            "persons were erased from this archive, and ARCHIVE_SUPPRESSION_KEY is missing",
            fix="Set it to the key that diploma-archive erase was run with; without it they would be archived again",
            kind=Kind.FATAL,
        )
    maker = MarkMaker(key)
    for known in in_parallel(lambda mark: _check_value(read(mark), mark), [each[0] for each in found], READERS):
        if not hmac.compare_digest(known.encode(), maker.key_check.encode()):
            raise StoreError(
                "ARCHIVE_SUPPRESSION_KEY is not the key that persons were erased from this archive with",
                fix="Set it to the key that diploma-archive erase was run with; otherwise they would be archived again",
                kind=Kind.FATAL,
            )
    return Suppressions(maker, frozenset(each[1] for each in found))


def _check_value(body: bytes | None, key: str) -> str:
    document = {} if body is None else _readable(body, key)
    return str(document.get("key_check"))


def _readable(body: bytes, key: str) -> Document:
    try:
        return from_json(body, key)
    except StoreError:
        raise StoreError(
            f"the suppression mark {key} in the bucket is damaged",
            fix="Restore an older version of it, or remove it and run diploma-archive erase for that person again",
            kind=Kind.FATAL,
        ) from None
