"""A backfill in shards: every chosen id in one shard, and never more than the account's rate."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diploma_archive.errors import SettingsError
from diploma_archive.listing.selection import Ids, choose, read_ids
from diploma_archive.model.outcome import SUPPRESSED, Outcome
from diploma_archive.sync.green_run import NOT_GREEN, Tally
from diploma_archive.sync.shards import (
    Shard,
    ShardEnd,
    added_up,
    counts_in,
    markdown_of,
    part,
    sentence_of,
    share_out,
    split,
    text_of,
)

ID_SETS = st.sets(st.integers(1, 400), max_size=120)


def as_text(ids: set[int]) -> str:
    return ", ".join(map(str, sorted(ids)))


@given(ID_SETS, ID_SETS, st.integers(1, 12), st.integers(1, 12))
def test_each_id_is_in_one_shard_and_the_rate_is_kept(
    participants: set[int], persons: set[int], shards: int, slots: int
) -> None:
    """Whatever is chosen: nobody is left out or in two shards, none is empty, and the shares are the account's rate."""
    if not participants | persons:
        return
    parts = split(choose([as_text(participants)], [as_text(persons)]), shards, slots)
    assert [one for shard in parts for one in shard.participants] == sorted(participants)
    assert [one for shard in parts for one in shard.persons] == sorted(persons)
    assert all(len(shard) > 0 and shard.share > 0 for shard in parts)
    assert sum(shard.share for shard in parts) == slots
    assert len(parts) == min(shards, slots, len(participants) + len(persons))


def test_shards_end_at_about_the_same_time() -> None:
    """A shard with twice the share has twice the ids."""
    parts = split(choose(["1-2000"], []), 3, 5)
    assert [(len(shard), shard.share) for shard in parts] == [(799, 2), (800, 2), (401, 1)]


@pytest.mark.parametrize("shards", [0, -1, "3", 2.0, True, None], ids=repr)
def test_a_number_of_shards_that_cannot_be_is_refused(shards: object) -> None:
    """What comes past the form's own checks is refused in one sentence."""
    with pytest.raises(SettingsError, match="shards must be a whole number from 1"):
        split(choose(["1-9"], []), shards, 5)


@given(st.integers(1, 50), st.integers(1, 50))
def test_shares_are_even(slots: int, shards: int) -> None:
    """Shares differ by one request per second at most."""
    shares = share_out(slots, shards)
    assert sum(shares) == slots
    assert max(shares) - min(shares) <= 1


@given(ID_SETS, st.integers(-5, 130), st.integers(-5, 130))
def test_a_part_is_what_a_slice_is(ids: set[int], start: int, end: int) -> None:
    """Cutting ranges gives the same ids as cutting the list of them."""
    whole = read_ids([as_text(ids)], "participants")
    assert list(part(whole, start, end)) == sorted(ids)[max(start, 0) : max(end, 0)]


@given(ID_SETS)
def test_ids_survive_the_way_through_the_form(ids: set[int]) -> None:
    """What a shard is given as text is what it reads."""
    whole = read_ids([as_text(ids)], "participants")
    assert read_ids([text_of(whole)], "participants") == whole


@given(
    st.dictionaries(st.sampled_from([*(outcome.value for outcome in Outcome), *NOT_GREEN, SUPPRESSED]), st.integers(0)),
    st.integers(0),
)
def test_the_sentence_of_a_run_is_read_back(counts: dict[str, int], without_diploma: int) -> None:
    """Every sentence that a run can end with is understood, so that none is taken for a fatal error."""
    sentence = Tally(counts=Counter(counts), without_diploma=without_diploma).sentence()
    found = counts_in(sentence)
    assert found is not None
    assert all(found[name] == count for name, count in counts.items())
    assert added_up([sentence, "FrontCore refused the API key. Look at it.", None]) == sentence


@pytest.mark.parametrize(
    "message", [None, "", "FrontCore refused the API key. Make a new one.", "3 archived, the key was refused"], ids=repr
)
def test_other_text_is_no_count(message: str | None) -> None:
    """What a fatal error says is never added up."""
    assert counts_in(message) is None


def end(number: int, state: str, message: str | None, attempts: int = 1) -> ShardEnd:
    shard = Shard(number, 3, 1, Ids(((number * 10, number * 10 + 9),)), Ids())
    return ShardEnd(shard, "backfill 10 participants", f"id-{number}", state, message, attempts)


def test_the_message_adds_up_and_names_what_was_fatal() -> None:
    """An operator reads how many shards are done, all counts together, and why the rest was stopped."""
    ends = [
        end(1, "Completed", "2 archived, 3 unchanged, 0 failed"),
        end(2, "Failed", "FrontCore refused the API key. Make a new one."),
        end(3, "Failed", "1 archived, 0 unchanged, 4 failed, 1 unlisted"),
    ]
    assert [one.is_fatal for one in ends] == [False, True, False]
    assert sentence_of(ends) == (
        "1 of 3 shards completed: 3 archived, 3 unchanged, 4 failed, 1 unlisted. "
        "shard 2 of 3: FrontCore refused the API key. Make a new one."
    )


def test_the_summary_has_a_line_for_each_shard() -> None:
    """The summary shows run, state and counts of each shard, and says what to do where one is not green."""
    ends = [end(1, "Completed", "2 archived, 3 unchanged, 0 failed", attempts=2), end(2, "Crashed", "a | b")]
    text = markdown_of("backfill 20 participants in 2 shards", "**Failed**", ends, dry_run=True)
    assert (
        "| 1 of 3 | backfill 10 participants `id-1` | 10 | 1 | Completed (run 2 of it) "
        "| 2 archived, 3 unchanged, 0 failed |" in text
    )
    assert "| 2 of 3 | backfill 10 participants `id-2` | 10 | 1 | Crashed | a \\| b |" in text
    assert "Dry run" in text
    assert "Start the same backfill again" in text
