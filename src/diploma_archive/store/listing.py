"""Every LIST, of objects and of versions, goes through here: it reaches its end, or it is an error.

Rule: a part of a listing never passes for the whole. S3 servers were seen that say "more follows" and not where, that
give the same page for ever, and that answer one request in some hundred with something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.parsers import ResponseParserError

from diploma_archive.errors import Kind, StoreError
from diploma_archive.store.objects import Listed
from diploma_archive.store.tries import tries

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

MAX_EMPTY_PAGES = 1_000  # in a row: servers give some where much was deleted
INCOMPLETE = "the S3 server's listing of the bucket is not complete: "

Page = Mapping[str, Any]
Ask = Callable[..., Page]
RowT = TypeVar("RowT")


def object_pages(client: S3Client, bucket: str, prefix: str, *, page_size: int | None = None) -> Iterator[Page]:
    """Yield the pages of `ListObjectsV2`, from the first to the last.

    Args:
        prefix: of the whole keys.
        page_size: the most rows a page; None: as many as the server gives.

    Raises:
        StoreError: the listing cannot be had to its end.
    """
    size: dict[str, Any] = {} if page_size is None else {"MaxKeys": page_size}

    def ask(**where: Any) -> Page:
        return client.list_objects_v2(Bucket=bucket, Prefix=prefix, **size, **where)

    def problem(page: Page) -> str | None:
        if "IsTruncated" not in page and "KeyCount" not in page:
            return _NO_LISTING
        rows = page.get("Contents", ())
        if any(not {"Key", "Size", "LastModified"} <= row.keys() for row in rows):
            return "a row lacks its key, size or date"
        if page.get("KeyCount", 0) > len(rows) + len(page.get("CommonPrefixes", ())):
            return "a page has fewer keys than it says"
        return _foreign(rows, prefix)

    return _pages(ask, problem, {"NextContinuationToken": "ContinuationToken"}, ("Contents",))


def version_pages(client: S3Client, bucket: str, prefix: str) -> Iterator[Page]:
    """Yield the pages of `ListObjectVersions`, from the first to the last.

    Raises:
        StoreError: the listing cannot be had to its end.
    """

    def ask(**where: Any) -> Page:
        return client.list_object_versions(Bucket=bucket, Prefix=prefix, **where)

    def problem(page: Page) -> str | None:
        if "IsTruncated" not in page:
            return _NO_LISTING
        rows = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        if any(not {"Key", "VersionId", "IsLatest"} <= row.keys() for row in rows):
            return "a row lacks its key or version"
        return _foreign(rows, prefix)

    way = {"NextKeyMarker": "KeyMarker", "NextVersionIdMarker": "VersionIdMarker"}
    return _pages(ask, problem, way, ("Versions", "DeleteMarkers"))


def in_order(rows: Iterable[Listed]) -> Iterator[Listed]:
    """Yield the rows of a LIST as they come, for whoever relies on the order of their keys, each key once.

    A key twice in a row is one: rclone lists it so for some minutes after two wrote it at one moment.

    Raises:
        StoreError: a key does not come after the one before it.
    """
    last = ""
    for row in rows:
        if row.key < last:
            raise out_of_order()
        if row.key == last:
            continue
        last = row.key
        yield row


def out_of_order() -> StoreError:
    """Return the error of a listing whose keys come in no order."""
    return StoreError(
        "the S3 server does not list keys in their order",
        fix="Look at the state of the S3 service; diploma-archive doctor says what it needs",
        kind=Kind.RETRIABLE,
    )


_NO_LISTING = "no listing"


def _pages(
    ask: Ask, problem: Callable[[Page], str | None], way: Mapping[str, str], rows: tuple[str, ...]
) -> Iterator[Page]:
    """Yield pages until one says that it is the last.

    Args:
        way: the fields of a page that say where the next one begins, and the parameters that ask for it.
        rows: the fields that hold its rows.
    """
    where: dict[str, str] = {}
    been: set[tuple[str, ...]] = set()
    first: object = None
    empty = 0
    while True:
        page = _answer(ask, problem, where)
        yield page
        following = {parameter: page[name] for name, parameter in way.items() if page.get(name)}
        necessary = next(iter(way.values()))
        if not page.get("IsTruncated", necessary in following):
            return
        if necessary not in following:
            raise _incomplete("it says that more follows, and not where")
        if tuple(following.values()) in been:
            raise _incomplete("it comes back to where it was")
        been.add(tuple(following.values()))
        begins = next(((row["Key"], row.get("VersionId")) for name in rows for row in page.get(name, ())), None)
        if begins is not None and begins == first:
            raise _incomplete("it gives the same page again")
        first, empty = begins, empty + 1 if begins is None else 0
        if empty > MAX_EMPTY_PAGES:
            raise _incomplete(f"{MAX_EMPTY_PAGES} pages in a row are empty")
        where = following


def _answer(ask: Ask, problem: Callable[[Page], str | None], where: Mapping[str, str]) -> Page:
    """Return one page; what is no whole page is asked for again before anybody hears of it."""
    found: str | None = None
    for _ in tries():
        try:
            page = ask(**where)
        except ResponseParserError:
            found = _NO_LISTING
        except (KeyError, AttributeError, TypeError):  # botocore decodes keys that are not there
            found = "a row lacks its key"
        else:
            found = problem(page)
            if found is None:
                return page
    if found == _NO_LISTING:
        raise StoreError(
            "what answers at the S3 endpoint does not list the bucket",
            fix="Check AWS_ENDPOINT_URL_S3",
            kind=Kind.FATAL,
        )
    raise _incomplete(str(found))


def _foreign(rows: Iterable[Page], prefix: str) -> str | None:
    return None if all(row["Key"].startswith(prefix) for row in rows) else "it has keys that were not asked for"


def _incomplete(why: str) -> StoreError:
    return StoreError(
        f"{INCOMPLETE}{why}",
        fix="Look at the state of the S3 service and at what stands between it and this machine, then start again",
        kind=Kind.RETRIABLE,
    )
