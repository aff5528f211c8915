"""FrontCore as the pipeline sees it, from answers made up here."""

from __future__ import annotations

from diploma_archive.frontcore.answers import ListAnswer
from diploma_archive.frontcore.link_policy import LinkPolicy

POLICY = LinkPolicy(frozenset({("good.example", 443)}), allow_http=False)


class OneListTransport:
    """Answers `participants` from a list of rows, by since_id, two rows a page."""

    def __init__(self, rows):
        self.rows = rows

    async def ask_api(self, path, parameters, read):
        rows = [row for row in self.rows if int(row["n"]) > parameters.get("since_id", 0)]
        start = 2 * (parameters.get("page", 1) - 1)
        return ListAnswer([{"id": row["id"]} for row in rows[start : start + 2]])


async def test_a_page_of_unreadable_rows_is_not_the_end():
    """Rows behind a page on which no row can be read are not lost."""
    from diploma_archive.frontcore.source import FrontCore

    rows = [{"n": n, "id": "x" if n in (3, 4) else n} for n in range(1, 9)]
    source = FrontCore("https://x", 900, 10**6, POLICY, OneListTransport(rows))
    found = [row.id async for page in source.participants({}) for row in page.participants]
    assert set(found) == {1, 2, 5, 6, 7, 8}


async def test_an_unreadable_last_row_is_named_once():
    """A row that cannot be read is one `unlisted`, not one for each request that shows it."""
    from diploma_archive.frontcore.source import FrontCore

    rows = [{"n": n, "id": "x" if n == 2 else n} for n in range(1, 4)]
    source = FrontCore("https://x", 900, 10**6, POLICY, OneListTransport(rows))
    problems = [problem async for page in source.participants({}) for problem in page.problems]
    assert len(problems) == 1
