"""A link to one object that works without credentials, for a short time.

Rule: whoever has the link can read the file, so it is handed to the caller alone: never logged, never part of an error.
"""

from __future__ import annotations

from contextlib import closing

from botocore.exceptions import BotoCoreError, ClientError

from diploma_archive.errors import SettingsError
from diploma_archive.settings.archive import ArchiveSettings, S3Access
from diploma_archive.store.s3_client import build_presigner
from diploma_archive.store.s3_errors import store_error
from diploma_archive.store.store import PDF_TYPE

DEFAULT_MINUTES, MAX_MINUTES = 15, 60


def presigned_link(
    where: ArchiveSettings, key: str, *, minutes: int, file_name: str, access: S3Access | None = None
) -> str:
    """Return a link to a PDF; no request is made.

    With credentials that expire sooner (a role's session) the link dies with them.

    Args:
        key: relative to the prefix.
        minutes: how long it works.
        file_name: under which a browser saves the file; plain ASCII.

    Raises:
        SettingsError: it would work for longer than an hour.
        StoreError: there are no usable credentials.
    """
    if not 1 <= minutes <= MAX_MINUTES:
        raise SettingsError(
            f"a link works for {MAX_MINUTES} minutes at the most", fix=f"Give --minutes from 1 to {MAX_MINUTES}"
        )
    with closing(build_presigner(where.bucket, access)) as client:
        try:
            return client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": where.bucket,
                    "Key": f"{where.prefix}/{key}" if where.prefix else key,
                    "ResponseContentType": PDF_TYPE,
                    "ResponseContentDisposition": f'attachment; filename="{file_name}"',
                },
                ExpiresIn=minutes * 60,
            )
        except (BotoCoreError, ClientError) as error:
            raise store_error(error, where.bucket) from None
