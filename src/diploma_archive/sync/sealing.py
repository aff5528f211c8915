"""Seals the report of a run, where the operator wants it: signed with a key of theirs, stamped by a service.

Rule: a signature that was asked for and cannot be made is an error; a stamp that cannot be had is a warning, and one of
the next runs catches up. It never takes more than seconds.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from diploma_archive.archive.archive import Archive
from diploma_archive.errors import DiplomaArchiveError
from diploma_archive.evidence.chain_signature import signing_key_of
from diploma_archive.evidence.seals import is_about, sign_statement, statement_bytes
from diploma_archive.evidence.time_stamps import is_answer, request_for
from diploma_archive.model.keys import seal_keys
from diploma_archive.model.run_head import RunHead
from diploma_archive.settings.archive import ArchiveSettings
from diploma_archive.web.timestamp_service import NoStampError, ask_for_stamp

CAUGHT_UP_AT_ONCE = 3  # statements of earlier runs that have no stamp yet
SECONDS = 15  # for all of it
log = logging.getLogger("diploma_archive.sync.run")


@dataclass(frozen=True)
class Sealing:
    """How the runs of an archive are sealed."""

    key: Ed25519PrivateKey | None = None
    timestamp_url: str | None = None

    @classmethod
    def of(cls, settings: ArchiveSettings) -> Sealing | None:
        """Return how the settings want it, or None where they want nothing.

        Raises:
            SettingsError: the key cannot be read, or is none.
        """
        key = signing_key_of(settings.signing_key.get_secret_value()) if settings.signing_key else None
        return cls(key, settings.timestamp_url) if key or settings.timestamp_url else None

    async def seal(self, archive: Archive, head: RunHead) -> None:
        """Store what the run states of its report, and what vouches for it.

        Raises:
            StoreError: it cannot be stored.
        """
        body = statement_bytes([head], archive.identity_sha256 or "", datetime.now(UTC))
        statement, signature, _ = seal_keys(head.key)
        if self.key is not None:
            await archive.put_seal(statement, body)
            await archive.put_seal(signature, sign_statement(body, self.key))
        if self.timestamp_url is None:
            return
        try:
            async with asyncio.timeout(SECONDS):
                if self.key is None:
                    await archive.put_seal(statement, body)
                if await self._stamp(archive, head.key, body):
                    for report in await archive.unstamped(CAUGHT_UP_AT_ONCE):
                        earlier = await archive.get_seal(seal_keys(report)[0])
                        is_ours = earlier is not None and is_about(earlier, report)
                        if is_ours and not await self._stamp(archive, report, earlier or b""):
                            break
        except TimeoutError:
            log.warning("the time-stamping service is slow; the next run catches up")
        except DiplomaArchiveError as error:
            log.warning("a time stamp could not be kept, and the next run catches up: %s", error.diagnostics())

    async def _stamp(self, archive: Archive, report: str, statement: bytes) -> bool:
        for with_certificates in (True, False):
            request = request_for(statement, with_certificates=with_certificates)
            try:
                reply = await asyncio.to_thread(ask_for_stamp, self.timestamp_url or "", request.body)
            except NoStampError as error:
                log.warning("no time stamp: %s; the next run catches up", error)
                return False
            if is_answer(reply, request):
                await archive.put_seal(seal_keys(report)[2], reply)
                return True
        log.warning("no time stamp: what the service answers is none for this run; the next run catches up")
        return False
