"""Where an export begins: is this folder new, or one that an export of the same archive and choice has begun?

Rule: a folder that holds anything else is refused, and nothing in it is touched.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from diploma_archive.archive.identity import check_format
from diploma_archive.errors import SettingsError, StoreError
from diploma_archive.export.bag import PAYLOAD
from diploma_archive.export.export_folder import UNFINISHED, Folder
from diploma_archive.export.export_ledger import ExportLedger
from diploma_archive.export.overview_files import OBJECTS_FILE, PURPOSE_FILE, read_objects
from diploma_archive.model import keys
from diploma_archive.model.json_document import FORMAT, Document, from_json, to_json
from diploma_archive.store.reader import Reader

_LEDGER_FILE = "notes.sqlite"  # the name that exports begun by earlier versions have


@dataclass(frozen=True)
class Start:
    """A folder that an export may write into, and the archive that it comes from.

    Args:
        purpose: what `export.json` says of the export: which archive, and what of it.
        is_new: nothing was in the folder.
    """

    folder: Folder
    layout: str
    identity: Document
    identity_body: bytes
    purpose: Document
    is_new: bool

    def open_ledger(self) -> ExportLedger:
        """Return the ledger, with what an earlier call has brought here."""
        unfinished = self.folder.path(f"{UNFINISHED}/{_LEDGER_FILE}")
        ledger = ExportLedger(unfinished)
        payload = PAYLOAD if self.layout == "bagit" else ""
        try:
            with self.folder.open(payload + OBJECTS_FILE) as lines:
                ledger.take_over(read_objects(lines))
        except FileNotFoundError:
            pass
        except ValueError:
            ledger.close()
            raise _foreign(self.folder.root) from None
        return ledger

    def tidy_up(self) -> None:
        """Remove what an export needs only while it is at work, and the folder too where nothing came into it."""
        self.folder.remove_unfinished()
        if self.is_new:
            with suppress(OSError):
                self.folder.root.rmdir()


def start_in(reader: Reader, to: Path, selection: Document, layout: str) -> Start:
    """Return where an export begins.

    Raises:
        SettingsError: the folder holds something else.
        StoreError: S3 refused or failed, or there is no archive.
        OSError: the folder cannot be made or read.
    """
    stored = reader.get(keys.IDENTITY_KEY)
    if stored is None:
        raise StoreError("there is no archive in this bucket below this prefix", fix="Check ARCHIVE_PREFIX")
    identity = from_json(stored.body, keys.IDENTITY_KEY)
    check_format(identity)
    purpose = {
        "format": FORMAT,
        "account": identity.get("account"),
        "archive_id": identity.get("archive_id"),
        "archive_sha256": hashlib.sha256(stored.body).hexdigest(),
        "layout": layout,
        **selection,
    }
    if to.exists() and not to.is_dir():
        raise SettingsError(f"{to} is a file", fix="Name a folder in --to")
    to.mkdir(mode=0o700, parents=True, exist_ok=True)  # what comes here is personal data
    folder = Folder(to.resolve())
    is_new = _check(folder, purpose)
    folder.path(f"{UNFINISHED}/{PURPOSE_FILE}").parent.mkdir(exist_ok=True)
    folder.write(f"{UNFINISHED}/{PURPOSE_FILE}", [to_json(purpose)])
    return Start(folder, layout, identity, stored.body, purpose, is_new)


def _check(folder: Folder, purpose: Document) -> bool:
    """Return whether a folder is new.

    Raises:
        SettingsError: it holds something else.
    """
    if not any(folder.root.iterdir()):
        return True
    payload = PAYLOAD if purpose["layout"] == "bagit" else ""
    for name in (f"{UNFINISHED}/{PURPOSE_FILE}", payload + PURPOSE_FILE):
        try:
            with folder.open(name) as file:
                found = from_json(file.read(1_000_000), name)
        except (FileNotFoundError, StoreError):
            continue
        if {field: found.get(field) for field in purpose} == purpose:
            return False
        raise _foreign(folder.root)
    if [entry.name for entry in folder.root.iterdir()] == [UNFINISHED]:
        return True  # stopped before it knew what it was
    raise _foreign(folder.root)


def _foreign(root: Path) -> SettingsError:
    return SettingsError(
        f"the folder {root} is not empty, and what is in it is no export of this archive with these options",
        fix="Take a new folder, or give the options that this export was begun with",
    )
