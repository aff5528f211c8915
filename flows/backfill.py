"""The flow `backfill-diplomas`: what a person fills into the form in Prefect's UI."""

from datetime import date
from typing import Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Failed

from diploma_archive.errors import unexpected
from diploma_archive.sync.backfill_form import BackfillForm
from flows.archive_run import Order, carry_out

# Ids are text boxes, since `int | None` would show a switch between int and None. Dates have that switch: an empty date
# of plain type "string, format date" is refused by the form itself, and so could not be left out.
_FORM_FIELDS = frozenset(BackfillForm.__dataclass_fields__)


def _run_name() -> str:
    parameters = flow_run.parameters
    return BackfillForm(**{name: value for name, value in parameters.items() if name in _FORM_FIELDS}).label()


# Prefect's own validation would end in a traceback that quotes the input: the form checks itself instead.
@flow(name="backfill-diplomas", flow_run_name=_run_name, persist_result=False, validate_parameters=False)
async def backfill_diplomas(
    participants: str = "",
    persons: str = "",
    course_id: str = "",
    coursedate_id: str = "",
    customer_id: str = "",
    from_date: date | None = None,
    to_date: date | None = None,
    date_field: Literal["updated", "created"] = "updated",
    force: bool = False,
    dry_run: bool = False,
    share: int = 0,
    account: str = "default",
) -> State:
    """Archive the diplomas that you choose. It never moves the nightly cursor, and what is archived stays as it is.

    Fill in participants or persons, or else a course, a customer or dates. An empty form is refused.

    Args:
        participants: Participant ids and ranges, separated by commas, blanks or line breaks: 900-950, 987654
        persons: Person (user) ids, written likewise: all diplomas of these persons.
        course_id: All participants of this course.
        coursedate_id: All participants of this course date.
        customer_id: All participants of this customer.
        from_date: Participants updated (or created) on this day or later.
        to_date: ... and before this day. The day itself is not included.
        date_field: Which date the two fields above are about.
        force: Download known diplomas again. Other bytes become a new generation; nothing is ever overwritten.
        dry_run: Only count what a run would do; download and write nothing.
        share: Requests per second that this run may use. 0: all of the account's, so it waits for other runs.
        account: Name of the FrontCore account: its blocks "FrontCore account" and "Archive bucket" have this name.
    """
    try:
        form = BackfillForm(
            participants, persons, course_id, coursedate_id, customer_id, from_date, to_date, date_field
        )
        return await carry_out(Order(account, form.label(), form.selection(), share, force, dry_run))
    except Exception as error:  # noqa: BLE001  a person reads one sentence, and no traceback that quotes data
        return Failed(message=unexpected(error).diagnostics())
