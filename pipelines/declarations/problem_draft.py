"""Text of a new problem: its header and SELECT, and the declaration of measures without a known publisher."""

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from pipelines.core.vocabulary import Grain
from pipelines.declarations.measure_search import list_stems

MOST_NAME_LETTERS = 40


class DraftNeed(NamedTuple):
    """A need of a draft: its plain words, its measure, the nations that it is limited to, and what was found."""

    words: str
    measure: str
    nations: tuple[str, ...]
    note: str


class DraftPlaces(NamedTuple):
    """The places of a draft: their geography, and the nations, codes and partnerships that limit them."""

    geography: str
    nations: tuple[str, ...] = ()
    place_codes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class DraftTime(NamedTuple):
    """The time of a draft: its grain, and its first and last period."""

    grain: Grain
    start: str = ""
    end: str = ""


class ProblemDraft(NamedTuple):
    """A new problem. `unknowns` are measures that no publisher reports."""

    question: str
    decision: str
    owner: str
    by: str
    places: DraftPlaces
    time: DraftTime
    needs: tuple[DraftNeed, ...]
    unknowns: tuple[DraftNeed, ...]


def name_from_words(text: str, most: int = MOST_NAME_LETTERS) -> str:
    """Return a name of lower case letters and _ from the words of a text that carry meaning."""
    stems = set(list_stems(text))
    words = [word for word in re.findall(r"[a-z0-9]+", text.lower()) if set(list_stems(word)) & stems]
    name = ""
    for word in dict.fromkeys(words):
        if len(name) + len(word) + 1 > most:
            break
        name = f"{name}_{word}" if name else word
    return name if name[:1].isalpha() else f"new_{name}".rstrip("_")


def _quote(text: str) -> str:
    """Return a text as a YAML scalar: quoted, so that no sign in it has a meaning."""
    return json.dumps(text, ensure_ascii=False).replace("*/", "*\\/")


def write_problem(draft: ProblemDraft) -> str:
    """Return the text of the SQL file of a draft."""
    places, time = draft.places, draft.time
    by_date = f"decision_date: {draft.by}" if draft.by and time.grain == "latest" else ""
    decision = draft.decision + (f" Decided by {draft.by}." if draft.by and not by_date else "")
    header = [
        f"question: {_quote(draft.question)}",
        f"decision: {_quote(decision)}",
        f"owner: {_quote(draft.owner)}",
        by_date,
        f"geography: {places.geography}",
        f"nations: [{', '.join(places.nations)}]" if places.nations else "",
        f"place_codes: [{', '.join(places.place_codes)}]" if places.place_codes else "",
        f"groups: [{', '.join(places.groups)}]" if places.groups else "",
        f"grain: {time.grain}",
        f"periods: {{start: {_quote(time.start)}, end: {_quote(time.end)}}}" if time.start else "",
        "needs:" if draft.needs else "needs: {}",
        *(line for need in draft.needs for line in _write_need(need)),
        "unknowns:" if draft.unknowns else "",
        *(line for need in draft.unknowns for line in (f"  # {_comment(need)}", f"  - {need.measure}")),
    ]
    return "/*\n" + "\n".join(line for line in header if line) + "\n*/\n" + _write_select(draft)


def _comment(need: DraftNeed) -> str:
    return f"{need.words}: {need.note}".replace("*/", "* /").replace("\n", " ")


def _write_need(need: DraftNeed) -> list[str]:
    limit = [f"    nations: [{', '.join(need.nations)}]"] if need.nations else []
    return [f"  # {_comment(need)}", f"  {need.measure}:", *limit]


def _write_select(draft: ProblemDraft) -> str:
    spine = "place" if draft.time.grain == "latest" else "place_period"
    keys = ["place_code"] if spine == "place" else ["place_code", "period_start"]
    times = [] if spine == "place" else ["period_start", "period_end"]
    measures = [need.measure for need in (*draft.needs, *draft.unknowns)]
    columns = [f"{spine}.{name}" for name in ("place_code", "place_name", "region", "nation", *times)]
    columns += [f"{name}.value as {name}" for name in measures]
    joins = [f"join {draft.places.geography}.{name} using ({', '.join(keys)})" for name in measures]
    lines = [
        "select",
        ",\n".join(f"    {column}" for column in columns),
        f"from {draft.places.geography}.{spine}",
        *joins,
    ]
    return "\n".join([*lines, f"order by {', '.join(f'{spine}.{key}' for key in keys)}"]) + "\n"


def _begin(text: str) -> str:
    return text[:1].upper() + text[1:]


def write_unknowns(question: str, unknowns: Sequence[DraftNeed]) -> str:
    """Return the declaration of measures that no declared source has, as not known to be collected."""
    lines = [
        f"title: {_quote(f'What no publisher is known to report for: {question}')}",
        "publisher: None",
        "page: not known",
        "access: not_collected",
        "data_owner: Not known yet; the owner of the problem finds out",
        "request: Find out who collects these figures, and declare the source, or ask for a return.",
        "measures:",
        *(
            f"  {need.measure}: {{title: {_quote(_begin(need.words))}, unit: not known, kind: count}}"
            for need in unknowns
        ),
    ]
    return "\n".join(lines) + "\n"
