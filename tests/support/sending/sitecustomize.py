"""On the path of a process (by `SendingTimes.environment`), it notes when each request to FrontCore was let out."""

from __future__ import annotations

import os

if "SENDING_TIMES" in os.environ:
    from tests.support.sending_times import note_in

    note_in(os.environ["SENDING_TIMES"])
