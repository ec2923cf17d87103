"""The list of problems with current tables: kept while no table changes, and made anew once one does."""

import os

from pipelines.core.store import state_path
from pipelines.declarations.fingerprints import ANSWER_TABLES, compute_table_keys
from pipelines.declarations.project import Project
from pipelines.gaps.current import list_current_problems

EARLY_NS, LATER_NS = 10**9, 10**19 // 2


def test_list_is_kept_until_a_table_changes(furlough: Project) -> None:
    keys = compute_table_keys(furlough.catalogue, furlough.home, furlough.as_of)
    os.utime(state_path(furlough.home, "cell", "").parent, ns=(LATER_NS, LATER_NS))
    fresh = [list_current_problems(furlough, keys) for _ in range(2)]
    assert fresh[0] == fresh[1] == ["furlough"] and fresh[0] is not fresh[1], "a table may still change at this time"
    for kind in ANSWER_TABLES:
        os.utime(state_path(furlough.home, kind, "").parent, ns=(EARLY_NS, EARLY_NS))
    kept = list_current_problems(furlough, keys)
    assert list_current_problems(furlough, keys) is kept
    state_path(furlough.home, "view", "furlough").unlink()
    assert list_current_problems(furlough, keys) == [] and kept == ["furlough"]
