"""The promises that hold after every fault (I1 to I7): read from outside, from the bucket, the sandbox and the logs.

Rule: nothing of the program is trusted here but its run counts, which are checked too.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from diploma_archive.listing.selection import Scope
from diploma_archive.model.outcome import Outcome
from tests.support.world import Bucket, World

API_KEY = "canary-key-5f1d2c"
FIRST_NAME, LAST_NAME = "Canaryfirst", "Canarylast"
NATIONAL_NUMBER = "canary-national-number"
CANARIES = (API_KEY, FIRST_NAME, LAST_NAME, NATIONAL_NUMBER, "token=")
EVIDENCE = ("diplomas/", "certificates/")
OUR_LOGGERS = ("diploma_archive", "httpx", "httpcore", "botocore", "boto3", "urllib3", "pypdf", "asyncio")
NOT_GREEN = (Outcome.CONFLICT, Outcome.QUARANTINED, Outcome.FAILED)


def plant_canaries(world: World) -> None:
    """Give key, people and national numbers of a world values that can be searched for."""
    world.sandbox.api_key = API_KEY
    for diploma in world.sandbox.diplomas.values():
        diploma.user = {
            **diploma.user,
            "firstname": FIRST_NAME,
            "lastname": LAST_NAME,
            "national_identification_number": NATIONAL_NUMBER,
        }


def check_committed(bucket: Bucket) -> None:
    """I1: each record names a PDF that is there with that size and hash; each index entry fits its record."""
    evidence = bucket.evidence()
    for key, body in evidence.items():
        if not key.endswith(".json"):
            assert hashlib.sha256(body).hexdigest() in key, f"I1: {key} is not what its name says"
            continue
        document = json.loads(body)
        if key.startswith("certificates/"):
            record = json.loads(evidence[document["record"]])
            pair = {name: document[name] for name in ("diploma_id", "revision", "status", "archived_at")}
            assert pair == {name: record[name] for name in pair}, f"I1: {key} and its record are a mixed pair"
            file = record["file"]
            assert (document["file"], document["sha256"]) == ((file["key"], file["sha256"]) if file else (None, None))
        elif document["file"] is not None:
            pdf = evidence[document["file"]["key"]]
            assert len(pdf) == document["file"]["size"], "I1: size"
            assert hashlib.sha256(pdf).hexdigest() == document["file"]["sha256"], "I1: hash"


def check_written_once(bucket: Bucket) -> None:
    """I2: no key of the evidence ever got a second version."""
    again = [key for key, count in bucket.versions().items() if key.startswith(EVIDENCE) and count > 1]
    assert sorted(again) == sorted(bucket.planted), "I2: written more than once"


def check_nothing_leaked(bucket: Bucket, texts: dict[str, str]) -> None:
    """I3: key, tokens, national number and names are nowhere but where the design puts them.

    Args:
        texts: what the program said, by where it said it (logs, output, errors).
    """
    places = dict(texts)
    for key in bucket.keys_below():
        places[f"the key {key}"] = key
        if not key.endswith((".pdf", ".bin")):
            text = bucket.body(key).decode("utf-8", "surrogatepass")
            # The name of the person is part of the evidence in a record, and in the note of a diploma that can have
            # none; nothing else of the list is.
            people = (FIRST_NAME, LAST_NAME) if key.startswith(("diplomas/", "quarantine/")) else ()
            places[key] = text if not people else text.replace(FIRST_NAME, "").replace(LAST_NAME, "")
    for where, text in places.items():
        for canary in CANARIES:
            assert canary not in text, f"I3: {canary} in {where}"


def check_counts(run: Any) -> None:
    """I5: what was listed has an outcome, and a run with a bad one is not green."""
    counts = run.tally.as_counts()
    assert counts["listed"] == sum(counts[outcome.value] for outcome in Outcome), "I5: outcomes"
    if any(counts[outcome.value] for outcome in NOT_GREEN) or counts["unlisted"]:
        assert not run.tally.is_green, "I5: green with failures"


def check_repeat_is_free(world: World) -> None:
    """I4: with the faults gone everything gets archived, and a repeat downloads nothing, writes nothing, is green."""
    world.heal()
    world.run(Scope.FULL)
    before, downloads = world.bucket.versions(), world.sandbox.requests["download"]
    run = world.run(Scope.FULL)
    assert run.tally.is_green, f"I4: {run.tally.failures}"
    assert world.sandbox.requests["download"] == downloads, "I4: downloads"
    assert _evidence(world.bucket.versions()) == _evidence(before), "I4: writes"
    committed = {record["diploma_id"] for record in world.bucket.records()}
    assert set(world.sandbox.diplomas) <= committed, "I4: lost"


def check_all(world: World, logs: list[logging.LogRecord], temporary: Path) -> None:
    """Check I1 to I7 after a test; the world is healed on the way."""
    for run in world.runs:
        check_counts(run)
    check_committed(world.bucket)
    check_repeat_is_free(world)
    check_committed(world.bucket)
    if world.conditions_hold:
        check_written_once(world.bucket)
    said = [record for record in logs if record.name.split(".")[0] in OUR_LOGGERS]
    formatter = logging.Formatter("%(message)s")
    texts = {f"line {number}, by {record.name}": formatter.format(record) for number, record in enumerate(said)}
    texts |= {f"failure {number}": str(run.tally.failures) for number, run in enumerate(world.runs)}
    texts |= {f"error {number}": f"{error!s} {error!r}" for number, error in enumerate(world.errors)}
    check_nothing_leaked(world.bucket, texts)
    for text in texts.values():
        assert text.isprintable(), "I3: a log line of more than one line, or with control characters"
    assert world.sandbox.busiest_second() <= world.requests_per_second, "I6: rate"
    assert list(temporary.iterdir()) == [], "I7: temporary files"


def _evidence(versions: dict[str, int]) -> dict[str, int]:
    return {key: count for key, count in versions.items() if key.startswith(EVIDENCE)}
