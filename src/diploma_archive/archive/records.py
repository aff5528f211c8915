"""Records, read from the bucket with care."""

from __future__ import annotations

from diploma_archive.errors import ObjectMissingError
from diploma_archive.model.json_document import Document, from_json
from diploma_archive.model.parsed_record import ASK_VERIFY, RecordContent, read_record_content
from diploma_archive.store.reader import Reader


def get_record(reader: Reader, key: str) -> tuple[RecordContent, Document]:
    """Return a record from the bucket, and what it says.

    Raises:
        ObjectMissingError: it is not there.
        StoreError: S3 refused or failed, the record is damaged, or it does not belong under this key.
    """
    stored = reader.get(key)
    if stored is None:
        raise ObjectMissingError("a record that the index names is not in the bucket", fix=ASK_VERIFY)
    document = from_json(stored.body, "a record")
    return read_record_content(key, document), document
