from __future__ import annotations

import pytest

from eventroute.errors import TransformError
from eventroute.paths.work import MAX_WORK, Work


def test_what_is_spent_is_bounded() -> None:
    work = Work(None, "$..*")
    work.spend(MAX_WORK)
    work.spend(0)
    with pytest.raises(TransformError, match=f"more than {MAX_WORK} values") as caught:
        work.spend(1)
    assert caught.value.where == "$..*"
