"""`reconcile`: what FrontCore has and the archive has not, and the other way round; it reads only."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from diploma_archive.listing.selection import Scope, Selection, choose
from diploma_archive.model.suppression_mark import MarkMaker, Whom
from diploma_archive.reconcile.reconciliation import open_reconciliation
from diploma_archive.reconcile.report import Reconciled
from diploma_archive.sandbox import Sandbox
from diploma_archive.sandbox import answer_faults as faults
from tests.support.s3_proxy import Answer, S3Proxy
from tests.support.world import World

EXAMPLE, EXAMPLE_PARTICIPANT = 12345, 987654
DIFFERENT = ("missing", "changed", "withdrawn", "damaged", "gone", "only_in_archive", "unreadable", "unlisted")


def compared(world: World, selection: Selection | None = None) -> Reconciled:
    """Reconcile in this process."""

    async def drive() -> Reconciled:
        async with open_reconciliation(world.as_settings(), selection or Selection(Scope.FULL)) as opened:
            return await opened.drive()

    return asyncio.run(drive())


def found(result: Reconciled) -> dict[str, list[int | None]]:
    """Return what was found: the diploma (or else participant) ids by kind, kinds without any left out."""
    document = result.to_document()
    kinds = (*DIFFERENT, "unindexed", "conflict")
    ids = {kind: [one["diploma_id"] or one["participant_id"] for one in document[kind]] for kind in kinds}
    return {kind: some for kind, some in ids.items() if some}


def other_diploma(world: World) -> int:
    """Return a diploma that is not the documented one."""
    return min(diploma_id for diploma_id in world.sandbox.diplomas if diploma_id != EXAMPLE)


def delete(world: World, below: str, name_contains: str) -> list[str]:
    """Delete objects behind the program's back, and return their keys."""
    keys = [key for key in world.bucket.keys_below(below) if name_contains in key]
    for key in keys:
        world.bucket.client.delete_object(Bucket=world.bucket.name, Key=f"{world.bucket.prefix}/{key}")
    return keys


@pytest.fixture
def archived(world: World) -> World:
    """The small school, all of it archived."""
    world.run()
    world.sandbox.reset_counts()
    return world


@pytest.fixture
def proxied(archived: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Proxy]:
    """A proxy between the program and the bucket of the archived school."""
    with S3Proxy(archived.s3_environment["AWS_ENDPOINT_URL_S3"]) as proxy:
        for name, value in proxy.environment(archived.s3_environment).items():
            monkeypatch.setenv(name, value)
        yield proxy


def test_a_whole_archive_agrees_with_its_source(archived: World) -> None:
    """Where everything is archived nothing is found, and the coverage is 100 %."""
    result = compared(archived)
    assert found(result) == {}
    assert (result.coverage.total.issued, result.coverage.total.archived) == (6, 6)
    assert result.sentence() == "6 of 6 issued diplomas are archived (100 %)"
    assert result.is_green


def test_each_kind_of_difference_is_named_by_its_own_word(archived: World) -> None:
    """Missing, changed, withdrawn, gone and only in the archive are five things, each with its own diplomas."""
    missing, changed, withdrawn, gone, only = sorted(archived.sandbox.diplomas)[1:]
    delete(archived, "", str(archived.bucket.records(missing)[0]["certificate_number"]))
    archived.sandbox.reissue(changed, updated_at="2026-01-02 10:00:00")
    archived.sandbox.change(withdrawn, {"deleted_at": "2026-01-03 10:00:00"})
    of_gone = archived.sandbox.diplomas.pop(gone).participant_id
    leaver = archived.sandbox.diplomas.pop(only).participant_id
    del archived.sandbox.participants[leaver]
    result = compared(archived)
    assert found(result) == {
        "missing": [missing],
        "changed": [changed],
        "withdrawn": [withdrawn],
        "gone": [gone],
        "only_in_archive": [only],
    }
    assert (result.coverage.total.issued, result.coverage.total.archived) == (3, 1)
    document = result.to_document()
    assert document["gone"][0]["participant_id"] == of_gone
    assert document["only_in_archive"][0]["participant_id"] == leaver


def test_a_backfill_of_the_named_participants_makes_the_two_agree(archived: World) -> None:
    """The list that reconcile ends with goes into a backfill as it is, and then nothing is found any more."""
    missing, changed, withdrawn = sorted(archived.sandbox.diplomas)[:3]
    delete(archived, "", str(archived.bucket.records(missing)[0]["certificate_number"]))
    archived.sandbox.reissue(changed, updated_at="2026-01-02 10:00:00")
    archived.sandbox.change(withdrawn, {"deleted_at": "2026-01-03 10:00:00"})
    archived.sandbox.add_diploma(EXAMPLE_PARTICIPANT)
    result = compared(archived)
    assert {name: len(ids) for name, ids in found(result).items()} == {"missing": 2, "changed": 1, "withdrawn": 1}
    archived.run(participants=result.to_document()["participants"])
    assert found(compared(archived)) == {}


def test_nothing_is_downloaded_and_nothing_written(archived: World, proxied: S3Proxy) -> None:
    """Reconcile reads: no download from FrontCore, no PUT, POST or DELETE at S3."""
    archived.sandbox.add_diploma(EXAMPLE_PARTICIPANT)
    archived.sandbox.reissue(other_diploma(archived), updated_at="2026-01-02 10:00:00")
    assert set(found(compared(archived))) == {"missing", "changed"}
    assert archived.sandbox.requests["download"] == 0
    assert {request.method for request in proxied.requests} <= {"GET", "HEAD"}


def test_it_costs_no_more_requests_than_a_full_pass(archived: World) -> None:
    """The same pages and listings as sync --all, a person with several enrolments asked for once."""
    archived.run()
    full_pass = dict(archived.sandbox.requests)
    archived.sandbox.reset_counts()
    result = compared(archived)
    assert dict(archived.sandbox.requests) == full_pass
    assert result.requests == archived.sandbox.requests.total()


def test_s3_is_listed_in_bulk(archived: World, proxied: S3Proxy) -> None:
    """Where everything agrees, a handful of LISTs is enough, whatever the number of diplomas."""
    compared(archived)
    lists = [request for request in proxied.requests if "list-type" in request.query]
    assert len(lists) <= 4
    assert len(proxied.requests) - len(lists) <= 2  # archive.json


def test_an_enrolment_that_the_persons_listing_does_not_show_is_asked_for(world: World) -> None:
    """Grouping by person hides no diploma: as in sync, what the listing leaves out is asked for itself."""
    for participant in world.sandbox.participants.values():
        participant["user"] = {"id": 424242}  # nobody's listing shows these
    world.bucket.put("archive.json", json.dumps({"format": 1, "account": "default"}).encode())
    assert len(found(compared(world))["missing"]) == 6


def test_a_withdrawn_diploma_that_is_archived_as_withdrawn_agrees(archived: World) -> None:
    """Once the withdrawal is archived there is no difference, and it counts as issued no more."""
    archived.sandbox.change(EXAMPLE, {"deleted_at": "2026-01-03 10:00:00"})
    archived.run()
    result = compared(archived)
    assert found(result) == {}
    assert result.coverage.total.issued == 5
    archived.sandbox.lists_deleted = False
    assert found(compared(archived)) == {}  # withdrawn, and now not listed: not gone without a word


def test_a_diploma_that_came_back_is_changed(archived: World) -> None:
    """Deleted, archived as withdrawn, and restored unchanged: the archive still calls it withdrawn (ADR 5)."""
    archived.sandbox.change(EXAMPLE, {"deleted_at": "2026-01-03 10:00:00"})
    archived.run()
    archived.sandbox.change(EXAMPLE, {"deleted_at": None})
    assert found(compared(archived)) == {"changed": [EXAMPLE]}


@pytest.mark.parametrize(("below", "ending"), [("diplomas/", ".json"), ("diplomas/", ".pdf")], ids=["record", "pdf"])
def test_what_only_the_index_has_is_damaged_not_archived(archived: World, below: str, ending: str) -> None:
    """An index entry alone is no archived diploma: a record or PDF that is away shows, and lowers the coverage."""
    lost = [key for key in archived.bucket.keys_below(below) if "ABC123456" in key and key.endswith(ending)]
    for key in lost:
        archived.bucket.client.delete_object(Bucket=archived.bucket.name, Key=f"{archived.bucket.prefix}/{key}")
    result = compared(archived)
    assert found(result) == {"damaged": [EXAMPLE]}
    assert result.coverage.total.archived == 5
    assert result.to_document()["participants"] == ""  # a backfill would call it unchanged


def test_a_record_without_an_index_entry_is_archived(archived: World) -> None:
    """The record is what says archived; that the index lacks it is a note, which the next full run puts right."""
    delete(archived, "certificates/", "ABC123456")
    result = compared(archived)
    assert found(result) == {"unindexed": [EXAMPLE]}
    assert (result.coverage.total.percent, result.differs, result.is_green) == (100.0, False, True)
    archived.run()
    assert found(compared(archived)) == {}


def test_who_was_erased_on_purpose_is_not_missing(archived: World) -> None:
    """A suppressed person's diplomas are neither issued nor missing here: nobody shall archive them again."""
    key = "a-suppression-key-of-this-test-only-0123456789"
    archived.settings["suppression_key"] = key
    maker = MarkMaker(SecretStr(key))
    user_id = archived.sandbox.diplomas[EXAMPLE].user["id"]
    mark = maker.mark(Whom(user_id=user_id))
    archived.bucket.put(f"suppressed/{mark}.json", json.dumps(maker.document(datetime.now(UTC))).encode())
    delete(archived, "", "ABC123456")
    result = compared(archived)
    theirs = [one for one in archived.sandbox.diplomas.values() if one.user["id"] == user_id]
    assert "missing" not in found(result)
    assert (result.suppressed, result.coverage.total.issued) == (len(theirs), 6 - len(theirs))


def test_a_diploma_under_another_certificate_number_is_changed_not_missing(archived: World) -> None:
    """The archive has the diploma, under its old number."""
    archived.sandbox.reissue(EXAMPLE, updated_at="2026-01-02 10:00:00", random_certificate_number="NEW-1")
    assert found(compared(archived)) == {"changed": [EXAMPLE]}


def test_what_could_not_be_listed_is_not_called_gone(archived: World) -> None:
    """A listing that failed says nothing about its diplomas; it is unlisted, and part of the backfill list."""
    archived.sandbox.fault("diplomas", faults.Status(500))
    result = compared(archived)
    assert set(found(result)) == {"unlisted"}
    assert str(EXAMPLE_PARTICIPANT) in result.to_document()["participants"]
    assert not result.is_green


def test_an_unreadable_item_is_unlisted_not_gone(archived: World) -> None:
    """A diploma that FrontCore lists in a way nobody can read is listed all the same."""
    archived.sandbox.overrides[EXAMPLE] = {"course": "no object"}
    result = compared(archived)
    assert found(result) == {"unlisted": [EXAMPLE]}


def test_an_unreadable_participant_row_leaves_no_false_accusation(archived: World) -> None:
    """Whose row cannot be read may be anybody: nobody is called only in the archive then."""
    archived.sandbox.participants[EXAMPLE_PARTICIPANT]["id"] = "no number"
    result = compared(archived)
    assert "only_in_archive" not in found(result)
    assert "gone" not in found(result)
    assert EXAMPLE in found(result)["unlisted"]


def test_a_certificate_number_of_two_diplomas_is_a_note(world: World) -> None:
    """Both are archived and both are named, but a known conflict makes the two sides no less equal."""
    other = other_diploma(world)
    world.sandbox.diplomas[other].random_certificate_number = "ABC123456"
    world.run()
    result = compared(world)
    assert found(result) == {"conflict": [EXAMPLE, other]}
    assert not result.differs
    assert result.is_green


def test_a_run_that_archives_meanwhile_makes_no_false_alarm(archived: World) -> None:
    """What another run archives after the archive was listed is found when it is looked for once more."""
    held = {key: archived.bucket.body(key) for key in archived.bucket.keys_below() if "ABC123456" in key}
    delete(archived, "", "ABC123456")

    def archive_it(kind: str, _params: dict[str, Any]) -> None:
        while kind == "participants" and held:
            archived.bucket.put(*held.popitem())

    archived.sandbox.on_request = archive_it
    assert found(compared(archived)) == {}
    assert not held


def test_an_entry_that_may_not_be_read_is_said_and_stops_nothing(archived: World, proxied: S3Proxy) -> None:
    """One object without permission is one line; the others are compared."""
    del archived.sandbox.diplomas[EXAMPLE]
    archived.sandbox.reissue(other_diploma(archived), updated_at="2026-01-02 10:00:00")
    proxied.fault(Answer(403, "AccessDenied"), method="GET", key="certificates/c-ABC123456/", times=None)
    assert found(compared(archived)) == {"changed": [other_diploma(archived)], "unreadable": [EXAMPLE]}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"null", b'{"record": 7}', b"[" * 100_000], ids=repr)
def test_a_damaged_entry_of_a_gone_diploma_is_unreadable(archived: World, body: bytes) -> None:
    """Whatever lies there, it is one line and no traceback."""
    del archived.sandbox.diplomas[EXAMPLE]
    (key,) = [key for key in archived.bucket.keys_below("certificates/") if "ABC123456" in key]
    archived.bucket.put(key, body)
    assert found(compared(archived)) == {"unreadable": [EXAMPLE]}


def test_strangers_in_the_bucket_do_no_harm(archived: World) -> None:
    """Objects that are none of ours are left to verify."""
    for key in ("certificates/x", "certificates/a/b/c.json", "certificates/c-É/1.0000000000000000.json", "diplomas/x"):
        archived.bucket.put(key, b"?")
    archived.bucket.put(f"certificates/c-X/{10**19 - 1}.0000000000000000.json", b"?")
    assert found(compared(archived)) == {}


def test_a_range_compares_only_that_range(archived: World) -> None:
    """A choice costs one listing for each, finds what is missing there, and says what it did not look for."""
    new = archived.sandbox.add_diploma(EXAMPLE_PARTICIPANT)
    archived.sandbox.reissue(other_diploma(archived), updated_at="2026-01-02 10:00:00")
    result = compared(archived, choose([str(EXAMPLE_PARTICIPANT)], []))
    assert found(result) == {"missing": [new.id]}
    assert result.requests == 1
    assert "what only the archive has was not looked for" in result.sentence()
    everyone = choose([], [str(user_id) for user_id in archived.sandbox.persons])
    assert set(found(compared(archived, everyone))) == {"missing", "changed"}


def test_a_source_that_shows_nothing_is_refused(archived: World) -> None:
    """An empty FrontCore is another FrontCore, not one that lost everything."""
    archived.sandbox.participants.clear()
    done = archived.command("reconcile", "--json")
    assert done.returncode == 3
    assert "lists no participant at all" in json.loads(done.stdout.splitlines()[-1])["error"]


@pytest.mark.parametrize(
    ("environment", "code", "named"),
    [
        ({"FRONTCORE_API_KEY": "wrong"}, 3, "API key"),
        ({"FRONTCORE_API_KEY": ""}, 2, "FRONTCORE_API_KEY"),
        ({"ARCHIVE_BUCKET": "not-there"}, 3, "does not exist"),
        ({"ARCHIVE_PREFIX": "misspelt"}, 3, "no archive in this bucket"),
        ({"FRONTCORE_ACCOUNT": "another"}, 3, "another FrontCore account"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, 3, "cannot be reached"),
    ],
    ids=str,
)
def test_what_cannot_be_compared_ends_with_one_sentence(
    archived: World, environment: dict[str, str], code: int, named: str
) -> None:
    """Wrong settings, keys and prefixes never look like a difference."""
    done = archived.command("reconcile", "--json", **environment)
    assert done.returncode == code, done.stderr
    assert named in json.loads(done.stdout.splitlines()[-1])["error"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--all", "--participant", "5"), ("--participant", "x"), ("--updated-since", "2026-02-30"), ("--html", "/no/x")],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_before_any_request(archived: World, arguments: tuple[str, ...]) -> None:
    """A typing error costs nothing; neither does a report that could not be written."""
    done = archived.command("reconcile", *arguments, "--json")
    assert (done.returncode, archived.sandbox.requests.total()) == (2, 0), done.stderr


def test_the_command_speaks_plainly(archived: World) -> None:
    """A table, a sentence and the list to paste; exit code 0 where the two agree, 1 where they do not."""
    done = archived.command("reconcile")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "6 of 6 issued diplomas are archived (100 %).")
    archived.sandbox.add_diploma(EXAMPLE_PARTICIPANT)
    done = archived.command("reconcile")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == [
        "6 of 7 issued diplomas are archived (85.71 %): 1 missing.",
        f"Archive these participants: {EXAMPLE_PARTICIPANT}",
    ]


def test_json_has_figures_lists_and_requests(archived: World) -> None:
    """Scripts get one object with everything."""
    new = archived.sandbox.add_diploma(EXAMPLE_PARTICIPANT)
    done = archived.command("reconcile", "--json")
    answer = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, answer["issued"], answer["archived"], answer["coverage"]) == (1, 7, 6, 85.71)
    assert [one["diploma_id"] for one in answer["missing"]] == [new.id]
    assert answer["participants"] == str(EXAMPLE_PARTICIPANT)
    assert answer["requests"] == archived.sandbox.requests.total()
    assert sum(row["issued"] for row in answer["by_course"]) == sum(row["issued"] for row in answer["by_month"]) == 7


def test_the_html_report_holds_the_plot_and_loads_nothing(archived: World, tmp_path: Path) -> None:
    """One file with figures and plot, nothing from elsewhere, no person in it, and titles cannot break it."""
    archived.sandbox.diplomas[EXAMPLE].course["title"] = 'Hot <script>alert("1")</script> & $x^{2}$ \u202e\ud83d'
    report = tmp_path / "report.html"
    done = archived.command("reconcile", "--html", str(report))
    assert done.returncode == 1, done.stderr
    text = report.read_text(encoding="utf-8")
    assert "<svg " in text
    assert "<script" not in text
    assert "Warning" not in done.stderr
    assert not re.search(r"(?:src|href)\s*=\s*[\"'](?!#)", text)
    assert set(re.findall(r"https?://[^\"' <)]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    for secret in ("Doe", "john.doe", "ABC123456", archived.sandbox.api_key, "1990-01-15"):
        assert secret not in text


def test_without_matplotlib_the_report_has_its_tables(archived: World, tmp_path: Path) -> None:
    """The plot is an extra: without it the report says what to install."""
    (tmp_path / "matplotlib.py").write_text("raise ImportError")
    report = tmp_path / "report.html"
    done = archived.command("reconcile", "--html", str(report), PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    text = report.read_text(encoding="utf-8")
    assert "diploma-archive[plot]" in text
    assert "Safety Training Course (44724)" in text


def test_incremental_compares_what_the_nightly_run_would_read(archived: World, sandbox: Sandbox) -> None:
    """From the cursor on, less its overlap, known rows included."""
    archived.run(Scope.INCREMENTAL)
    sandbox.touch_participant(EXAMPLE_PARTICIPANT, "2026-01-02T10:00:00+01:00")
    new = sandbox.add_diploma(EXAMPLE_PARTICIPANT)
    sandbox.reset_counts()
    result = compared(archived, Selection(Scope.INCREMENTAL))
    assert found(result) == {"missing": [new.id]}
    assert sandbox.requests["diplomas"] < 5
