"""Which certificates `show` is asked for: by number, serial or diploma id.

Rule: the serial and the number lead to the bucket itself; only a diploma id alone needs the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from diploma_archive.catalogue.catalogue import open_catalogue
from diploma_archive.catalogue.query import Criteria
from diploma_archive.cli.tables import note
from diploma_archive.errors import SettingsError
from diploma_archive.model.keys import DIPLOMAS, certificate_segment
from diploma_archive.model.typed_certificate_number import certificate_segments, serial_segments
from diploma_archive.search.dossier import Dossier, read_dossier
from diploma_archive.settings.archive import ArchiveSettings
from diploma_archive.store.reader import Reader

MAX_CERTIFICATES = 20  # under one serial; more are a list for `find`
LOOKED_AT = 1_000  # keys below a serial

Places = list[tuple[str, tuple[str, ...]]]  # certificate segments, each with the serial segments to look below


def dossiers_of(
    reader: Reader,
    where: ArchiveSettings,
    certificate: str | None,
    serial: str | None,
    diploma: int | None,
    catalogue: Path | None,
) -> list[Dossier]:
    """Return what lies where a person points to; nothing where nothing does.

    Args:
        diploma: of what is found there, this diploma alone; without a number or serial the catalogue tells where.
        catalogue: the catalogue's file.

    Raises:
        StoreError: S3 refused or failed.
        SettingsError: too much lies there, or the catalogue cannot be kept.
    """
    if certificate is not None:
        segments = certificate_segments(certificate) or (certificate_segment(None, diploma or 0),)
        candidates: Iterable[Places] = ([(segment, ())] for segment in segments)
    elif serial is not None:
        candidates = (_below_serial(reader, segment) for segment in serial_segments(serial))
    else:
        candidates = iter([_by_catalogue(reader, where, diploma, catalogue)])
    for places in candidates:
        dossiers = [read_dossier(reader, segment, where.concurrency, serials=below) for segment, below in places]
        if any(dossier.diplomas or dossier.troubles for dossier in dossiers):
            return [_of_diploma(dossier, diploma) for dossier in dossiers]
    return []


def _below_serial(reader: Reader, serial: str) -> Places:
    rows = islice(reader.list(f"{DIPLOMAS}{serial}/"), LOOKED_AT)
    segments = sorted({row.key.split("/")[2] for row in rows if row.key.count("/") == 3})
    if len(segments) > MAX_CERTIFICATES:
        raise SettingsError(
            f"more than {MAX_CERTIFICATES} certificates share this serial",
            fix="List them by diploma-archive find --serial, then show one certificate",
        )
    return [(segment, (serial,)) for segment in segments]


def _by_catalogue(reader: Reader, where: ArchiveSettings, diploma: int | None, file: Path | None) -> Places:
    with open_catalogue(reader, where, file, note=note) as catalogue:
        catalogue.update(where.concurrency)
        serials: dict[str, set[str]] = {}
        for match in catalogue.matching(Criteria(diploma_id=diploma)):
            serials.setdefault(match.certificate, set()).add(match.record.split("/")[1])
        return [(segment, tuple(sorted(below))) for segment, below in serials.items()]


def _of_diploma(dossier: Dossier, diploma: int | None) -> Dossier:
    mine = [held for held in dossier.diplomas if diploma in (None, held.current.content.diploma_id)]
    return Dossier(dossier.certificate, mine, dossier.troubles)
