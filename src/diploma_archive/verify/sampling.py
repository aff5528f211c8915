"""Which part of the archive is checked: everything, the day's sample, what begins with a key, or one certificate.

Rule: the samples of consecutive days differ and together cover everything; none of it is left to chance.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from diploma_archive.errors import SettingsError
from diploma_archive.evidence.certificate_objects import CertificateObjects
from diploma_archive.model.keys import certificate_segment, is_blank


@dataclass(frozen=True)
class Choice:
    """What is to be checked; without any field: everything."""

    prefix: str = ""
    certificates: frozenset[str] = frozenset()  # key segments
    one_in: int = 1  # the sample is one of so many groups
    group: int = 0

    @property
    def is_everything(self) -> bool:
        """Return whether nothing is left out."""
        return not self.prefix and not self.certificates and self.one_in == 1

    @property
    def is_named(self) -> bool:
        """Return whether a person named what shall be checked, so that nothing at all would be a mistake."""
        return bool(self.prefix or self.certificates)

    def covers(self, unit: CertificateObjects) -> bool:
        """Return whether a certificate is to be checked."""
        if self.certificates:
            return unit.certificate in self.certificates
        if self.prefix:
            keys = [row.key for row in unit.rows] + [claim.record for claim in (*unit.claims, *unit.notes_claimed)]
            return any(key.startswith(self.prefix) for key in keys)
        return group_of(unit.certificate, self.one_in) == self.group

    def covers_key(self, key: str) -> bool:
        """Return whether an object that belongs to no certificate is to be checked: LIST shows it anyway."""
        return not self.certificates and key.startswith(self.prefix)

    def to_dict(self) -> dict[str, Any]:
        """Return what was chosen, as `--json` shows it."""
        if self.certificates:
            return {"certificate": min(self.certificates)}
        if self.prefix:
            return {"prefix": self.prefix}
        return {"sample": f"group {self.group + 1} of {self.one_in}"} if self.one_in > 1 else {}


EVERYTHING = Choice()


def group_of(certificate: str, groups: int) -> int:
    """Return which of so many groups a certificate belongs to, always the same one."""
    digest = hashlib.sha256(certificate.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % groups


def sample(share: str, day: date) -> Choice:
    """Return the sample of a day: `2%` is one group of 50, another one each day, so that 50 days cover everything.

    Raises:
        SettingsError: it is no percentage from 0.01% to 100%.
    """
    found = re.fullmatch(r"\s*([0-9]{1,3}(?:\.[0-9]{1,4})?)\s*%\s*", share)
    percent = float(found[1]) if found else 0.0
    if not 0.01 <= percent <= 100:
        raise SettingsError("--sample is no percentage", fix="Write it as --sample 2%, from 0.01% to 100%")
    groups = math.floor(100 / percent + 1e-9)
    return Choice(one_in=groups, group=day.toordinal() % groups)


def one_certificate(text: str) -> Choice:
    """Return the choice of one certificate, named by its number or by its key segment (`c-ABC123456`, `d-12345`)."""
    if is_blank(text):
        raise SettingsError("--certificate is empty", fix="Write a certificate number such as ABC123456")
    named = {certificate_segment(text, 0)}
    if re.fullmatch(r"[cd]-[A-Za-z0-9._-]+", text.strip()):
        named.add(text.strip())
    return Choice(certificates=frozenset(named))
