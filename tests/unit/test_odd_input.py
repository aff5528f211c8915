"""Odd input that once got through: settings, links, cursors and rows that are almost right."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from diploma_archive.archive.cursor import Cursor, read_cursor
from diploma_archive.archive.keys import read_index_name, run_report_key
from diploma_archive.coercion import coerce_flag
from diploma_archive.errors import LinkForbiddenError, SettingsError, StoreError
from diploma_archive.frontcore.addresses import AddressGuard
from diploma_archive.frontcore.links import LinkPolicy
from diploma_archive.frontcore.redaction import redact
from diploma_archive.frontcore.timestamps import read_filter_time
from diploma_archive.selection import read_ids
from diploma_archive.settings import load_settings

POLICY = LinkPolicy(frozenset({("good.example", 443)}), allow_http=False)
GUARD = AddressGuard(allow_loopback=False)


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith(("FRONTCORE_", "ARCHIVE_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FRONTCORE_API_KEY", "k")
    monkeypatch.setenv("ARCHIVE_BUCKET", "diplomas")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("blank", [" ", ",", " , ", "\n"])
def test_a_blank_omit_list_is_the_default(monkeypatch, blank):
    """A blank ARCHIVE_OMIT_FIELDS never archives national identification numbers."""
    monkeypatch.setenv("ARCHIVE_OMIT_FIELDS", blank)
    assert load_settings().archive.omit_fields == ("user.national_identification_number",)


@pytest.mark.parametrize("link", ["https://[good.example/d", "https://good]/d", "https://[x]/d"])
def test_a_broken_address_is_refused_in_our_words(link):
    """A malformed bracket host is a LinkForbiddenError, not a ValueError."""
    with pytest.raises(LinkForbiddenError):
        POLICY.check(link)


@pytest.mark.parametrize("link", ["https://good.example:443/d", "https://good.example:0443/d"])
def test_the_default_port_may_be_written_out(link):
    """Host and port 443 are on the allow-list: the link passes."""
    assert POLICY.check(link).host == "good.example"


def test_the_default_http_port_may_be_written_out():
    """The same for port 80 on this machine."""
    assert LinkPolicy(frozenset({("127.0.0.1", 80)}), allow_http=True).check("http://127.0.0.1:80/d")


def test_a_trailing_dot_is_still_frontcore(monkeypatch):
    """api.frontcore.com. is api.frontcore.com: at most 5 a second."""
    monkeypatch.setenv("FRONTCORE_BASE_URL", "https://api.frontcore.com./v2")
    monkeypatch.setenv("FRONTCORE_REQUESTS_PER_SECOND", "50")
    with pytest.raises(SettingsError):
        load_settings()


@pytest.mark.parametrize(
    "url", ["https://exa mple.com/v2", "https://exa\nmple.com/v2", "https://ex%ample.com/v2", "https://h/v2 x"]
)
def test_a_base_url_that_httpx_refuses_is_refused_at_the_start(monkeypatch, url):
    """Settings are checked once at the start: no httpx.InvalidURL later."""
    monkeypatch.setenv("FRONTCORE_BASE_URL", url)
    with pytest.raises(SettingsError):
        load_settings()


def test_a_dotenv_in_another_encoding_is_an_error_in_words():
    """A .env in Latin-1 is a SettingsError, not a UnicodeDecodeError."""
    Path(".env").write_bytes("ARCHIVE_PREFIX=\u00e5\n".encode("latin-1"))
    with pytest.raises(SettingsError):
        load_settings()


@pytest.mark.parametrize("text", ["[(b'X-API-Key', b'canary')]", 'headers=[(b"x-api-key", b"canary")]'])
def test_a_header_as_bytes_is_redacted(text):
    """The way httpcore and h11 write headers hides the key too."""
    assert "canary" not in redact(text)


@pytest.mark.parametrize("retry", [[float("inf")], "123", {"7": 1}, [True], [1.7]])
def test_a_damaged_retry_list_stops_the_run(retry):
    """Guessing would skip diplomas: no crash and no guess."""
    with pytest.raises(StoreError):
        read_cursor({"updated_at": None, "retry": retry})


def test_a_cursor_of_another_format_is_refused():
    """A program never reads a layout that it does not know."""
    with pytest.raises(StoreError):
        read_cursor({"format": 2, "updated_at": None, "retry": []})


@pytest.mark.parametrize("year", [1, 999])
def test_an_early_cursor_can_be_used_and_read_back(year):
    """`0001-01-01 00:00:00` from the source neither crashes the next run nor damages the cursor."""
    cursor = Cursor(datetime(year, 1, 1))  # noqa: DTZ001  cursors are naive
    cursor.read_from()
    assert read_cursor(cursor.to_document(account="a", run_id="r", moved_at="m")) == cursor


def test_a_filter_time_has_four_digits_of_a_year():
    """What passes is in the documented form yyyy-mm-dd."""
    assert read_filter_time("0999-01-01") in (None, "0999-01-01")


@pytest.mark.parametrize("name", ["12345.0123456789abcdef.1.json", "007.0123456789abcdef.json"])
def test_names_that_are_never_written_are_strangers(name):
    """A LIST row counts only under the name that an index entry really has."""
    assert read_index_name(f"certificates/c-A/{name}") is None


def test_a_run_report_lies_below_its_utc_day():
    """The Z in the key is UTC, whatever zone the moment has."""
    started = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert run_report_key(started, "r") == "runs/2026/02/28/20260228T233000Z-r.json"
    assert run_report_key(started.astimezone(UTC), "r") == run_report_key(started, "r")


@pytest.mark.parametrize("blank", [" ", "\t"])
def test_blank_text_is_no_flag(blank):
    """coerce_flag's own docstring: blank text is None."""
    assert coerce_flag(blank) is None


@pytest.mark.parametrize("text", ["5\n-7"])
def test_a_negative_id_after_a_line_break_is_no_range(text):
    """A line break ends a part: a negative id on the next line is refused, not read as a range 5-7."""
    with pytest.raises(SettingsError):
        read_ids([text], "participants")


def test_a_slash_is_no_prefix(monkeypatch):
    """A prefix that begins with a slash is refused, also when it is nothing but one."""
    monkeypatch.setenv("ARCHIVE_PREFIX", "/")
    with pytest.raises(SettingsError):
        load_settings()


class OneListTransport:
    """Answers `participants` from a list of rows, by since_id, two rows a page."""

    def __init__(self, rows):
        self.rows = rows

    async def ask_api(self, path, parameters, read):
        rows = [row for row in self.rows if int(row["n"]) > parameters.get("since_id", 0)]
        start = 2 * (parameters.get("page", 1) - 1)
        return [{"id": row["id"]} for row in rows[start : start + 2]]


async def test_a_page_of_unreadable_rows_is_not_the_end():
    """Rows behind a page on which no row can be read are not lost."""
    from diploma_archive.frontcore.source import FrontCore

    rows = [{"n": n, "id": "x" if n in (3, 4) else n} for n in range(1, 9)]
    source = FrontCore("https://x", 900, 10**6, POLICY, GUARD, OneListTransport(rows))
    found = [row.id async for page in source.participants({}) for row in page.participants]
    assert set(found) == {1, 2, 5, 6, 7, 8}


async def test_an_unreadable_last_row_is_named_once():
    """A row that cannot be read is one `unlisted`, not one for each request that shows it."""
    from diploma_archive.frontcore.source import FrontCore

    rows = [{"n": n, "id": "x" if n == 2 else n} for n in range(1, 4)]
    source = FrontCore("https://x", 900, 10**6, POLICY, GUARD, OneListTransport(rows))
    problems = [problem async for page in source.participants({}) for problem in page.problems]
    assert len(problems) == 1
