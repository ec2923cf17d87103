"""Reading of a report's tables: measures with one title stay apart."""

from pipelines.outputs.load import name_measures_apart
from tests.gaps.plain import catalogue_of, measure_of, source_of


def test_measures_of_one_title_and_unit_have_the_titles_of_their_sources() -> None:
    count = measure_of("count", title="Cases")
    catalogue = catalogue_of(
        a=source_of(measures={"m": count, "other": measure_of("rate", title="Cases", unit="%")}, title="Board"),
        b=source_of(measures={"n": count}, title="Council"),
    )
    titles = {name: measure.title for name, measure in name_measures_apart(catalogue, ["m", "n", "other"]).items()}
    assert titles == {"m": "Cases (Board)", "n": "Cases (Council)", "other": "Cases"}
    assert name_measures_apart(catalogue, ["m"])["m"] == count


def test_measures_of_one_title_in_one_source_have_their_names() -> None:
    count = measure_of("count", title="Cases")
    catalogue = catalogue_of(a=source_of(measures={"m": count, "n": count}, title="Board"))
    titles = [measure.title for measure in name_measures_apart(catalogue, ["m", "n"]).values()]
    assert titles == ["Cases (m)", "Cases (n)"]
