"""Makes a BagIt bag (RFC 8493) of a folder whose payload is written already, and checks bags with bagit-python.

Rule: hashes come from the writing and are checked against the disk by somebody else's code. Of bagit-python only the
checking is used: its `make_bag` moves files, changes the working directory and reads everything once more.
"""

from __future__ import annotations

import logging
import os
import stat
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import bagit  # type: ignore[import-untyped]

from diploma_archive.errors import DiplomaArchiveError, Kind
from diploma_archive.export.export_folder import Folder, Written
from diploma_archive.model.json_document import TOOL, Document

PAYLOAD = "data/"
DECLARATION = "bagit.txt"

_MANIFEST, _TAG_MANIFEST, _INFO = "manifest-sha256.txt", "tagmanifest-sha256.txt", "bag-info.txt"
_NAMED_AT_MOST = 5

# It tells the names of files, and through Python's last resort it would tell them on stderr.
logging.getLogger("bagit").addHandler(logging.NullHandler())
logging.getLogger("bagit").propagate = False


class BagDamagedError(DiplomaArchiveError):
    """A bag is not complete, or not what its manifests say."""

    default_kind = Kind.FATAL


def make_bag(folder: Folder, files: Iterable[tuple[str, Written]], identity: Document) -> None:
    """Write the manifest and the tag files of a bag.

    Args:
        folder: the bag; its payload lies in `data/`.
        files: each file of the payload, below `data/`, as it was written.
        identity: `archive.json` of the archive that it comes from.

    Raises:
        OSError: the folder cannot be written to.
    """
    total_bytes = total_files = 0

    def manifest() -> Iterable[bytes]:
        nonlocal total_bytes, total_files
        for name, written in files:
            total_bytes += written.size
            total_files += 1
            yield _manifest_line(written, PAYLOAD + name)

    tags = {_MANIFEST: folder.write(_MANIFEST, manifest())}
    info = {
        "Source-Organization": identity.get("account"),
        "External-Identifier": identity.get("archive_id"),
        "External-Description": "Diplomas from a diploma archive; data/README.txt says what is what",
        "Bagging-Date": f"{datetime.now(UTC):%Y-%m-%d}",
        "Payload-Oxum": f"{total_bytes}.{total_files}",
        "Bag-Software-Agent": TOOL,
    }
    tags[_INFO] = folder.write(_INFO, [_tag_line(name, value) for name, value in info.items()])
    declaration = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    tags[DECLARATION] = folder.write(DECLARATION, [declaration])
    folder.write(_TAG_MANIFEST, [_manifest_line(written, name) for name, written in sorted(tags.items())])


def check_bag(root: Path) -> None:
    """Read a whole bag and check it against its manifests.

    Raises:
        BagDamagedError: it is no bag, not complete, or was altered; some of its bad files are named.
        OSError: it cannot be read.
    """
    _refuse_what_is_no_file(root)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # bagit-python uses calls that newer Pythons warn of
            _validate(bagit.Bag(str(root)))
    except bagit.BagError as error:
        raise BagDamagedError(
            f"the bag is not what its manifests say{_bad_files(error)}",
            fix="Copy it again from where it is whole; remove files and links that do not belong to it",
        ) from None
    except (ValueError, KeyError, AttributeError, TypeError):  # what bagit-python does with odd manifests
        raise BagDamagedError("the bag cannot be read: its manifests are damaged", fix="Copy it again") from None


def _refuse_what_is_no_file(root: Path) -> None:
    """See that a bag holds plain files and folders alone: whoever opened a pipe would wait for ever."""
    for folder, folders, files in os.walk(root):
        for path in (Path(folder) / name for name in (*folders, *files)):
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                shown = ascii(str(path.relative_to(root)))[1:-1]
                raise BagDamagedError(
                    f"the bag holds {shown}, which is a link or no file",
                    fix="Copy the bag again from where it is whole",
                )


def _validate(bag: bagit.Bag) -> None:
    try:
        bag.validate()
    except bagit.BagError as error:
        if not getattr(error, "details", ()) and bag.info.pop("Payload-Oxum", None) is not None:
            bag.validate()  # the sums alone do not say which files are bad
        raise


def _bad_files(error: bagit.BagError) -> str:
    paths = [
        str(detail.path) for detail in getattr(error, "details", ()) if isinstance(detail, bagit.ManifestErrorDetail)
    ]
    if not paths:
        return ""
    named = ", ".join(ascii(path)[1:-1] for path in sorted(set(paths))[:_NAMED_AT_MOST])
    more = len(set(paths)) - _NAMED_AT_MOST
    return f" ({named}{f' and {more} more' if more > 0 else ''})"


def _manifest_line(written: Written, name: str) -> bytes:
    return f"{written.sha256}  {name}\n".encode("ascii")


def _tag_line(name: str, value: object) -> bytes:
    return f"{name}: {' '.join(str(value).split())}\n".encode("utf-8", "backslashreplace")
