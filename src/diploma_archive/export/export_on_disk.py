"""An export on disk, read with the care that something from outside needs.

Rule: nothing of it is used before all of it was found to be what it says; no path in it leads out of its folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from diploma_archive.archive.identity import check_format
from diploma_archive.errors import DiplomaArchiveError, Kind, SettingsError, StoreError
from diploma_archive.export.bag import DECLARATION, PAYLOAD, check_bag
from diploma_archive.export.export_folder import CHUNK_BYTES, UNFINISHED, Folder, Written
from diploma_archive.export.export_ledger import Copy
from diploma_archive.export.overview_files import OBJECTS_FILE, PURPOSE_FILE, read_objects
from diploma_archive.model import keys
from diploma_archive.model.json_document import FORMAT, Document, from_json
from diploma_archive.model.payload import Payload

MAX_KEY_BYTES = 1024  # of S3, with the prefix


class Source:
    """An export on disk, bag or plain, found to be whole.

    Raises:
        SettingsError: the folder is no export.
        DiplomaArchiveError: it was altered or is not complete; fatal.
    """

    def __init__(self, root: Path) -> None:
        self.folder = Folder(root.resolve())
        self.payload = PAYLOAD if (root / DECLARATION).exists() or (root / PAYLOAD).is_dir() else ""
        self.purpose = self._purpose(root)
        if self.payload:
            check_bag(self.folder.root)
        self.identity = self._read_identity()

    def objects(self) -> Iterator[Copy]:
        """Yield what the export holds, by key.

        Raises:
            DiplomaArchiveError: `objects.jsonl` is damaged; fatal.
        """
        try:
            with self.folder.open(self.payload + OBJECTS_FILE) as lines:
                yield from read_objects(lines)
        except (FileNotFoundError, ValueError):
            raise _damaged(f"{self.payload}{OBJECTS_FILE} is missing or damaged") from None

    @contextmanager
    def body(self, copy: Copy) -> Iterator[Payload]:
        """Give the bytes of an object, which are what `objects.jsonl` says.

        Raises:
            DiplomaArchiveError: they are not; fatal.
        """
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        try:
            with self.folder.open(self.payload + copy.file) as file:
                while chunk := file.read(CHUNK_BYTES):
                    sha256.update(chunk)
                    md5.update(chunk)
                    size += len(chunk)
                if (sha256.hexdigest(), size) != (copy.sha256, copy.size):
                    raise _damaged(f"{self.payload}{copy.file} is not what {OBJECTS_FILE} says")
                yield Payload(file, copy.sha256, md5.hexdigest(), size)
        except FileNotFoundError:
            raise _damaged(f"{self.payload}{copy.file} is missing, or is a link") from None

    def check_objects(self, prefix: str) -> None:
        """Check everything before anything is written: each object is there, once, and S3 can have its key.

        Raises:
            DiplomaArchiveError: it is not so; fatal.
        """
        last = ""
        for copy in self.objects():
            if not _fits_in_a_key(copy.key, prefix):
                raise _damaged(f"{self.payload}{OBJECTS_FILE} names a key that S3 cannot have below this prefix")
            if copy.key <= last:
                raise _damaged(f"{self.payload}{OBJECTS_FILE} is not in order, or names a key twice")
            last = copy.key
            if self.folder.look(self.payload + copy.file) != Written(copy.sha256, copy.size):
                raise _damaged(f"{self.payload}{copy.file} is not what {OBJECTS_FILE} says")

    def _purpose(self, root: Path) -> Document:
        try:
            if (root / UNFINISHED).exists():
                raise SettingsError(f"the export in {root} is not finished", fix="Start the same export once more")
            with self.folder.open(self.payload + PURPOSE_FILE) as file:
                purpose = from_json(file.read(1_000_000), PURPOSE_FILE)
        except (FileNotFoundError, StoreError):
            raise SettingsError(
                f"there is no export of a diploma archive in {root}",
                fix="Name the folder that diploma-archive export was given with --to",
            ) from None
        if purpose.get("format") != FORMAT:
            raise SettingsError(f"the export in {root} has another format than {FORMAT}", fix="Use a newer version")
        return purpose

    def _read_identity(self) -> bytes:
        copy = next((one for one in self.objects() if one.key == keys.IDENTITY_KEY), None)
        if copy is None:
            raise _damaged("the export does not say whose archive it is: it has no archive.json")
        with self.body(copy) as payload:
            body = payload.rewound()
            found = body if isinstance(body, bytes) else body.read()
        check_format(from_json(found, keys.IDENTITY_KEY))
        return found


def _fits_in_a_key(key: str, prefix: str) -> bool:
    try:
        return 0 < len(key.encode()) <= MAX_KEY_BYTES - len(prefix.encode()) - 1
    except UnicodeEncodeError:
        return False


def _damaged(what: str) -> DiplomaArchiveError:
    return DiplomaArchiveError(what, fix="Copy the export again from where it is whole", kind=Kind.FATAL)
