"""FrontCore's odd ways to write numbers, flags and text."""

from __future__ import annotations

import pytest

from diploma_archive.model.coercion import coerce_flag


@pytest.mark.parametrize("blank", [" ", "\t"])
def test_blank_text_is_no_flag(blank):
    """coerce_flag's own docstring: blank text is None."""
    assert coerce_flag(blank) is None
