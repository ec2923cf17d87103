"""Names of columns in a SELECT, by which a large problem leaves out the columns that it does not read."""

import pytest

from pipelines.declarations.problem_sql import parse_select


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("select p.place_code, a.value as x from l.p join l.a as a using (place_code, source)",
         {"place_code", "value", "source"}),
        ('select a."VALUE" as x from l.a where a.Reason is null order by a.coverage',
         {"value", "reason", "coverage"}),
        ("with b as (select place_code, upper_bound as top from l.a) select b.top as x from b",
         {"place_code", "upper_bound", "top"}),
        ("select l.a.value as x, count(*) as n from l.a group by all", {"value"}),
        ("select list_transform([a.value], lambda y: y + 1) as x from l.a", {"value", "y"}),
        ("select a.value as x from l.a where exists (select * from l.b where b.place_code = a.place_code)", None),
        ("select a.value as x from l.p natural join l.a", None),
        ("select a.y as x from l.a as a(y)", None),
        ("select a.value as x, to_json(a) as y from l.a", None),
        ("select a.value as x, to_json(b) as y from l.a as b", None),
    ],
)  # fmt: skip
def test_names_of_columns_are_all_that_a_select_can_read(sql: str, names: set[str] | None) -> None:
    parsed = parse_select(sql, "p.sql")
    assert parsed.names == names
