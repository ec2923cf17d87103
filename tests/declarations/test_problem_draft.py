"""Text of a new problem: every answer is quoted, and every need is read by the SELECT."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.declarations.problem_draft import (
    DraftNeed,
    DraftPlaces,
    DraftTime,
    ProblemDraft,
    name_from_words,
    write_problem,
    write_unknowns,
)
from pipelines.declarations.yaml_lines import read_yaml
from tests.small import ROOT

NEED = DraftNeed("people: in need */ of help", "people_in_need", (), "loaded")
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc", "Cs"]), min_size=1)


def draft(question: str = "Where?", time: DraftTime = DraftTime("latest"), by: str = "") -> ProblemDraft:  # noqa: B008
    return ProblemDraft(question, "Who gets help.", "Mayor", by, DraftPlaces("lad_2023", ("Wales",)), time, (NEED,), ())


def header_of(text: str) -> dict[str, object]:
    start, end = text.index("/*"), text.index("*/")
    return dict(read_yaml(text[start + 2 : end], ROOT / "draft.sql")[0])


@given(WORDS)
def test_any_question_is_read_back_as_written(question: str) -> None:
    assert header_of(write_problem(draft(question)))["question"] == question


def test_end_of_a_comment_in_an_answer_does_not_end_the_header() -> None:
    text = write_problem(draft("a */ b"))
    assert text.count("*/") == 1 and header_of(text)["question"] == "a */ b"


def test_day_of_a_decision_with_periods_is_in_the_decision() -> None:
    text = write_problem(draft(time=DraftTime("month", "2022-01", "2022-12"), by="2027-01-31"))
    assert header_of(text)["decision"] == "Who gets help. Decided by 2027-01-31."
    assert "using (place_code, period_start)" in text and "place_period.period_end" in text


def test_unknown_measures_are_declared_as_not_collected() -> None:
    source = dict(read_yaml(write_unknowns("a: b?", [NEED]), ROOT / "x.yaml")[0])
    assert source["access"] == "not_collected"
    assert source["measures"]["people_in_need"]["title"] == "People: in need */ of help"


def test_name_has_words_with_meaning_only() -> None:
    assert name_from_words("Where do the homes of 2020 stand empty?") == "homes_2020_stand_empty"
    assert name_from_words("2020?") == "new_2020"
