"""From names to codes: by a fixed rule and a reviewed table, without guesses.

The rule ignores case, white space, commas and accents (`Ynys Môn`, `Ynys Mon`), and repairs wrongly decoded text (`Ynys
MÃ´n`). It equates `&` and `and`, removes a trailing `UA`, and equates `City of X` and `X, City of`. Names that it does
not match are listed with candidates for a person to choose.
"""

import re
import unicodedata
from difflib import SequenceMatcher
from functools import lru_cache
from heapq import nlargest

import polars as pl

NO_SIMILAR_NAME = "no similar name"
GSS_LENGTH = 9
"""Number of characters of a Government Statistical Service code."""
MAX_CODES_SUGGESTED = 3
"""Maximum number of codes suggested for a malformed one; above it none, because the digits do not show which."""
_SPACE = re.compile(r"\s+")
_WORD = re.compile("[a-z0-9]+")
_CITY = re.compile(r"^(?:the )?city of (.+)$")
_CITY_AFTER = re.compile(r"^(.+), (?:city|county) of$")


@lru_cache(maxsize=200_000)
def fold_name(name: str) -> str:
    """Return an area name in the form in which names are compared."""
    letters = name if name.isascii() else _remove_accents(_repair_encoding(name))
    text = letters.casefold().replace("&", " and ").replace("’", "'")
    text = _SPACE.sub(" ", text).strip().removesuffix(" ua")
    for pattern in (_CITY_AFTER, _CITY):
        if match := pattern.match(text):
            return f"{match[1].strip()} (city)"
    return text.removeprefix("the ").replace(",", "")


_SMALL_WORDS = frozenset({"and", "at", "for", "in", "of", "on", "the", "upon", "with"})
_NAME_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def write_organisation_name(name: str) -> str:
    """Write the name of an organisation of the NHS as in a sentence: lists have capitals, or a capital on each word."""

    def write_word(match: re.Match[str]) -> str:
        word = match[0]
        if match.start() and word.lower() in _SMALL_WORDS:
            return word.lower()
        return word if word == "NHS" or not word.isupper() or len(word) == 1 else word.capitalize()

    return _NAME_WORD.sub(write_word, name)


def keep_similar(names: pl.Series, folded: str) -> pl.Series:
    """Keep the names that may have a compared form. The test is fast, and leaves out only names that do not have it."""
    words = [word for word in _WORD.findall(folded) if word not in ("and", "city")]
    if not words:
        return names
    letters = names.str.normalize("NFKD").str.replace_all(r"[\p{M},]", "").str.to_lowercase()
    return names.filter(letters.str.contains(max(words, key=len), literal=True) | names.str.contains("[ÃÂ]"))


def _remove_accents(name: str) -> str:
    return "".join(part for part in unicodedata.normalize("NFKD", name) if not unicodedata.combining(part))


def _repair_encoding(name: str) -> str:
    """Repair UTF-8 that was decoded as Windows-1252 (`Ynys MÃ´n` for `Ynys Môn`)."""
    if "Ã" not in name and "Â" not in name:
        return name
    try:
        return name.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return name


def build_name_table(places: pl.DataFrame, reviewed: dict[str, str]) -> dict[str, str]:
    """Return the code of every name, in compared form, that belongs to exactly one of the areas (schema.PLACE_COLUMNS).

    The reviewed names of a source take precedence over the rule.
    """
    table: dict[str, set[str]] = {}
    for code, name, welsh in places.select("place_code", "place_name", "place_name_welsh").iter_rows():
        for spelling in (name, welsh):
            if spelling:
                table.setdefault(fold_name(spelling), set()).add(code)
    for key in [key for key in table if key.endswith(" (city)")]:
        # `Leicester, City of` may also be written `Leicester`, where no other area has that name.
        table.setdefault(key.removesuffix(" (city)"), table[key])
    plain = {key: next(iter(codes)) for key, codes in table.items() if len(codes) == 1}
    return plain | {fold_name(label): code for label, code in reviewed.items()}


def find_code(label: str, names: dict[str, str]) -> str | None:
    """Return the code of the place that a label names: by its name, or by two names such as `Caerffili / Caerphilly`.

    `names` is a table of names (build_name_table). Both names must be of one place.
    """
    if code := names.get(fold_name(label)):
        return code
    codes = {names.get(fold_name(part)) for part in label.split(" / ")}
    return codes.pop() if len(codes) == 1 else None


_BETWEEN_NAMES = re.compile(r"\s*(?:\band\b|[&/+,;])\s*", re.IGNORECASE)


def split_combined_label(label: str, names: dict[str, str]) -> tuple[str, ...]:
    """Return the codes of several places named in one label, such as `Hackney and City of London`; empty for others.

    `names` is a table of names (build_name_table). A label that is a name itself, such as `Brighton and Hove`, names
    one place. Every part of the label must be a name; of several divisions, the one with the fewest parts is used.
    """
    if find_code(label, names):
        return ()
    breaks = [(match.start(), match.end()) for match in _BETWEEN_NAMES.finditer(label)]
    starts, ends = [0, *(end for _, end in breaks)], [*(start for start, _ in breaks), len(label)]
    best: list[tuple[str, ...] | None] = [(), *[None] * len(ends)]
    for last in range(1, len(ends) + 1):
        for first in range(last):
            before, code = best[first], names.get(fold_name(label[starts[first] : ends[last - 1]]))
            if before is not None and code and (best[last] is None or len(before) + 1 < len(best[last] or ())):
                best[last] = (*before, code)
    codes = tuple(dict.fromkeys(best[-1] or ()))
    return codes if len(codes) > 1 else ()


def suggest_places(label: str, places: pl.DataFrame, most: int = 3) -> str:
    """Suggest the areas with names similar to a label, for a person to choose."""
    names = {fold_name(name): f"{code} {name}" for code, name in places.select("place_code", "place_name").iter_rows()}
    close = _find_close_names(fold_name(label), list(names), most)
    return "; ".join(names[name] for name in close) or NO_SIMILAR_NAME


_LEAST_SIMILARITY = 0.6


def _find_close_names(text: str, names: list[str], most: int) -> list[str]:
    """Return the names most similar to a text, as difflib.get_close_matches does.

    Names are compared in order of their upper limit, so that the comparison ends early.
    """
    matcher, best = SequenceMatcher(), list[tuple[float, str]]()
    matcher.set_seq2(text)
    for name, limit in _share_letters(text, names):
        if len(best) == most and limit < best[-1][0]:
            break
        matcher.set_seq1(name)
        if (similarity := matcher.ratio()) >= _LEAST_SIMILARITY:
            best = nlargest(most, [*best, (similarity, name)])
    return [name for _, name in best]


def _share_letters(text: str, names: list[str]) -> list[tuple[str, float]]:
    """Return the names that share enough letters with a text to be similar to it, with the upper limit, highest first.

    The measure of similarity has the same limit, but counts it name by name.
    """
    name = pl.col("name")
    shared = [
        name.str.count_matches(letter, literal=True).clip(upper_bound=text.count(letter))
        for letter in sorted(set(text))
    ]
    limit = 2.0 * pl.sum_horizontal(pl.lit(0), *shared) / (name.str.len_chars() + len(text))
    limits = pl.DataFrame({"name": names}, {"name": pl.String}).with_columns(limit.alias("limit"))
    return limits.filter(pl.col("limit") >= _LEAST_SIMILARITY).sort("limit", descending=True).rows()


_LIKE_DIGITS = str.maketrans("OIL", "011")


def suggest_codes(text: str, places: pl.DataFrame) -> str:
    """Suggest the codes that a malformed code probably means, with their names; blank where none is evident.

    Case, blanks, marks, letters in place of digits and one extra digit are overlooked. Takes schema.PLACE_COLUMNS.
    """
    plain = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text)).upper()
    digits = plain[:1] + plain[1:].translate(_LIKE_DIGITS)
    shorter = (
        {digits[:at] + digits[at + 1 :] for at in range(1, len(digits))} if len(digits) == GSS_LENGTH + 1 else set()
    )
    for candidates in ({plain}, {digits}, shorter):
        meant = places.filter(pl.col("place_code").is_in(sorted(candidates - {text}))).unique("place_code", keep="last")
        if 0 < meant.height <= MAX_CODES_SUGGESTED:
            pairs = meant.sort("place_code").select("place_code", "place_name").iter_rows()
            return "; ".join(f"{code} {name}" for code, name in pairs)
    return ""
