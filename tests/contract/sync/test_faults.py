"""What goes wrong at the source ends where DESIGN.md says: failed, quarantined, unlisted or fatal, never green."""

from __future__ import annotations

import pytest

from diploma_archive.errors import KeyRefusedError, Kind, SourceError, StoreError
from diploma_archive.listing.selection import Scope
from diploma_archive.sandbox import answer_faults as faults
from tests.support.odd_pdfs import GOOD
from tests.support.world import World

ODD_PDF = b"%PDF-1.4\n" + b"not really a PDF " * 20 + b"\n%%EOF\n"


def test_a_dead_link_is_replaced_once(world: World) -> None:
    """A refused link costs one new listing, and the diploma is archived."""
    world.sandbox.fail_next("download", status=410, times=1, id=12345)
    assert world.counts(participants="987654") == {"archived": 1}
    assert (world.sandbox.requests["diplomas"], world.sandbox.requests["download"]) == (2, 2)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_link_that_stays_dead_fails_after_one_new_listing(world: World, status: int) -> None:
    """Dead links are not hammered: list again once, try once, then the next run."""
    world.sandbox.fail_next("download", status=status, times=99)
    assert world.counts(participants="987654") == {"failed": 1}
    assert (world.sandbox.requests["diplomas"], world.sandbox.requests["download"]) == (2, 2)
    assert world.bucket.keys_below("diplomas/") == []


def test_a_link_older_than_its_life_is_not_even_tried(world: World) -> None:
    """An expired link is replaced without a request to it."""
    world.settings |= {"link_ttl_seconds": 1, "requests_per_second": 2.0}
    user = world.sandbox.participants[987654]["user"]["id"]
    for number in range(3):
        world.sandbox.add_diploma(987654, random_certificate_number=f"MORE-{number}")
    counts = world.counts(users=str(user))
    assert counts == {"archived": 4}
    assert world.sandbox.requests["download"] == 4
    assert world.sandbox.requests["diplomas"] > 1


def test_a_fresh_listing_brings_fresh_metadata(world: World) -> None:
    """The record describes the PDF that was downloaded: after a new listing the new metadata counts."""

    def change(kind: str, _: dict[str, str]) -> None:
        if kind == "download":
            world.sandbox.diplomas[12345].updated_at = "2026-05-05 05:05:05"

    world.sandbox.on_request = change
    world.sandbox.fail_next("download", status=410, times=1, id=12345)
    world.run(participants="987654")
    (record,) = world.bucket.records(12345)
    assert record["source"]["updated_at"] == "2026-05-05 05:05:05"


def test_a_server_fault_is_waited_out(world: World) -> None:
    """A passing 503 costs a retry and nothing else."""
    world.sandbox.fail_next("diplomas", status=503, times=1)
    world.sandbox.fail_next("download", status=500, times=1)
    assert world.counts(participants="987654") == {"archived": 1}


def test_too_many_requests_are_waited_out(world: World) -> None:
    """429 is answered with patience, and counts as no failure."""
    world.sandbox.fail_next("diplomas", status=429, times=2, headers={"Retry-After": "0"})
    assert world.counts(participants="987654") == {"archived": 1}


@pytest.mark.parametrize(
    "fault",
    [
        faults.HtmlLogin(),
        faults.HtmlLogin(content_type="application/pdf"),
        faults.Truncated(with_content_length=True),
        faults.Truncated(with_content_length=False),
        faults.CutChunked(),
        faults.Gzip(),
        faults.Redirect("https://elsewhere.example.com/x.pdf"),
        faults.Status(204),
    ],
    ids=lambda fault: repr(fault)[:60],
)
def test_nothing_usable_is_a_failure_and_nothing_partial_stays(world: World, fault: faults.Fault) -> None:
    """A bad download fails its diploma alone, leaves nothing behind, and the next run brings it."""
    world.sandbox.fault("download", fault, id=12345)
    assert world.counts() == {"archived": 5, "failed": 1}
    assert not [key for key in world.bucket.keys_below() if "ABC123456" in key]
    world.sandbox.clear_faults()
    assert world.counts() == {"archived": 1, "unchanged": 5}


def test_a_complete_but_odd_pdf_is_kept_in_quarantine(world: World) -> None:
    """Nothing is lost and nothing odd is called archived: the bytes and the reason are kept, the run is not green."""
    world.sandbox.diplomas[12345].pdf = ODD_PDF
    run = world.run()
    assert run.tally.as_counts()["quarantined"] == 1
    assert not run.tally.is_green
    note_key, bytes_key = sorted(world.bucket.keys_below("quarantine/c-ABC123456/"), key=lambda key: key[-3:] == "bin")
    assert world.bucket.body(bytes_key) == ODD_PDF
    note = world.bucket.document(note_key)
    assert set(note) == {
        *("diploma_id", "participant_id", "user_id", "certificate_number"),
        *("reason", "sha256", "size", "seen_at", "run_id"),
    }
    assert not [key for key in world.bucket.keys_below("certificates/") if "ABC123456" in key]
    world.sandbox.diplomas[12345].pdf = None
    assert world.counts() == {"archived": 1, "unchanged": 5}


def test_one_pdf_under_two_certificates_is_a_mix_up(world: World) -> None:
    """The same bytes under a second certificate are quarantined, in the next run too; the report names the first.

    They say nothing of whose they are: whoever comes first has them.
    """
    world.sandbox.diplomas[12345].pdf = world.sandbox.diplomas[500001].pdf = GOOD
    assert world.counts() == {"archived": 5, "quarantined": 1}
    (finding,) = [finding for finding in world.observer.findings if finding.outcome == "quarantined"]
    assert {finding.diploma_id, finding.same_as["diploma_id"]} == {12345, 500001}
    assert finding.same_as["certificate"].startswith("c-")
    assert world.counts(participants="900001, 987654") == {"unchanged": 1, "quarantined": 1}
    assert len([key for key in world.bucket.keys_below("quarantine/") if key.endswith(".bin")]) == 1


def test_a_file_that_says_whose_it_is_is_archived_for_nobody_else(world: World) -> None:
    """Whichever of two comes first: the one whose number is on the file has it, the other never, in any later run."""
    world.sandbox.diplomas[500001].pdf = world.sandbox.pdf_of(12345)
    assert world.counts() == {"archived": 5, "quarantined": 1}
    (finding,) = [finding for finding in world.observer.findings if finding.outcome == "quarantined"]
    assert finding.diploma_id == 500001
    assert world.counts(participants="900001") == {"quarantined": 1}  # nobody else is listed in this run
    assert world.bucket.records(500001) == []


def test_a_listing_that_fails_is_unlisted_and_the_run_is_not_green(world: World) -> None:
    """What could not even be listed is counted and named, with no diploma id."""
    world.sandbox.fault("diplomas", faults.MissingItems(), id=987654)
    run = world.run(participants="900001, 987654")
    assert run.tally.as_counts() | {"archived": 1, "unlisted": 1, "listed": 1} == run.tally.as_counts()
    (failure,) = run.tally.failures
    assert (failure["diploma_id"], failure["participant_id"]) == (None, 987654)
    assert not run.tally.is_green


@pytest.mark.parametrize(
    "fault",
    [faults.TruncatedJson(), faults.NaNJson(), faults.DeepJson(), faults.HugeId(), faults.HtmlLogin()],
    ids=lambda fault: type(fault).__name__,
)
def test_a_broken_listing_fails_alone(world: World, fault: faults.Fault) -> None:
    """A listing that cannot be read costs its own participant and nobody else."""
    world.sandbox.fault("diplomas", fault, id=987654)
    assert world.counts(participants="900001, 987654") in (
        {"archived": 1, "unlisted": 1},
        {"archived": 1, "failed": 1},
    )


def test_an_error_message_under_200_fails_that_listing(world: World) -> None:
    """`{"error": ...}` with status 200 is an error; its text, which may name somebody, is not passed on."""
    world.sandbox.fault("diplomas", faults.ErrorUnder200("John Doe is locked"), id=987654)
    run = world.run(participants="900001, 987654")
    assert run.tally.as_counts()["unlisted"] == 1
    assert "Doe" not in str(run.tally.failures)


def test_a_wrong_key_stops_after_one_request_and_writes_nothing(world: World) -> None:
    """A refused key is fatal at once; the bucket stays empty."""
    world.settings["api_key"] = "wrong"
    with pytest.raises(KeyRefusedError) as caught:
        world.run()
    assert caught.value.kind is Kind.FATAL
    assert world.sandbox.requests.total() == 1
    assert world.bucket.keys_below() == []


@pytest.mark.parametrize("kind", ["participants", "diplomas"])
def test_a_key_error_under_200_is_a_wrong_key(world: World, kind: str) -> None:
    """Integrators see "Wrong API Key" with status 200: it stops the run all the same."""
    world.sandbox.fault(kind, faults.ErrorUnder200("Invalid API key"))
    with pytest.raises(KeyRefusedError):
        world.run()


def test_participants_that_cannot_be_listed_are_fatal(world: World) -> None:
    """Nobody could say what is missing: the run stops and the cursor stays."""
    world.sandbox.fault("participants", faults.TruncatedJson())
    with pytest.raises(SourceError) as caught:
        world.run(Scope.INCREMENTAL)
    assert caught.value.kind is Kind.FATAL
    assert world.bucket.keys_below() == []


def test_a_full_pass_over_nothing_is_an_error(world: World) -> None:
    """A source that is suddenly empty is not "nothing to do", once the archive holds diplomas."""
    empty_at_first = dict(world.sandbox.participants)
    world.sandbox.participants.clear()
    assert world.counts() == {}
    world.sandbox.participants.update(empty_at_first)
    world.run()
    world.sandbox.participants.clear()
    with pytest.raises(SourceError, match="no participant at all"):
        world.run()
    world.sandbox.participants.update(empty_at_first)
    world.sandbox.fault("diplomas", faults.EmptyItems())
    with pytest.raises(SourceError, match="no diploma at all"):
        world.run()


def test_another_accounts_archive_is_left_alone(world: World) -> None:
    """Two accounts never share a prefix: another account or format stops before any write."""
    world.run()
    before = world.bucket.versions()
    world.settings["account"] = "somebody-else"
    with pytest.raises(StoreError, match="another FrontCore account"):
        world.run()
    world.settings.clear()
    world.bucket.put("archive.json", b'{"format": 2, "account": "default"}')
    with pytest.raises(StoreError, match="another format"):
        world.run()
    assert {**world.bucket.versions(), "archive.json": 1} == before


def test_no_key_goes_to_a_download(world: World) -> None:
    """The link's token is the whole credential: downloads carry neither the API key nor cookies."""
    world.run()
    downloads = [seen for seen in world.sandbox.seen if seen.kind == "download"]
    assert downloads
    assert not any(seen.api_key_present or "cookie" in seen.headers for seen in downloads)
    assert {seen.headers["accept-encoding"] for seen in downloads} == {"identity"}
    assert world.sandbox.keys_on_downloads == 0


def test_rows_inserted_while_paging_are_neither_lost_nor_repeated(world: World) -> None:
    """Everything that was there from the start is archived once, whichever way the server pages."""
    for descending, honours in ((False, True), (False, False), (True, False)):
        world.sandbox.page_cap, world.sandbox.descending, world.sandbox.honours_since_id = 2, descending, honours
        from_the_start = set(world.sandbox.diplomas)
        inserted: list[int] = []

        def insert(kind: str, _: dict[str, str], inserted: list[int] = inserted) -> None:
            if kind == "participants" and len(inserted) < 2:
                item = world.sandbox.add_participant()
                world.sandbox.add_diploma(item["id"])
                inserted.append(item["id"])

        world.sandbox.on_request = insert
        world.run()
        seen = [finding.diploma_id for finding in world.observer.findings]
        assert len(seen) == len(set(seen))
        assert from_the_start <= set(seen)
