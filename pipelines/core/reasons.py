"""Every kind of gap, once: what it means, how it is told, how grave it is, who can close it and how.

The order of the table is the order of precedence: the first that holds is the primary reason of a cell,
later ones are kept beside it. Codes follow SDMX and the Government Analysis Function's symbols where they
have a word for it. The set is closed: a check that gives another code is refused.
"""

from typing import Literal, NamedTuple

import polars as pl

Severity = Literal["info", "warn", "error"]
Family = Literal["scope", "geography", "supply", "disclosure", "meaning", "values", "derived"]


class Reason(NamedTuple):
    """One kind of gap, or of caveat on a value that is present."""

    code: str
    family: Family
    title: str
    rule: str
    severity: Severity
    holder: str
    remedy: str


_TABLE: tuple[Reason, ...] = (
    Reason("not_applicable", "scope", "Can't exist here",
           "the publisher marks it not applicable ([z])", "info",
           "nobody", "Nothing to do."),
    Reason("nation_not_covered", "scope", "The series does not cover this nation",
           "the source declares that it leaves the nation out, or has no figure for any place of it", "info",
           "the nation's own statistics body", "Find the nation's own series and declare it as a source."),
    Reason("not_collected", "scope", "Nobody is known to collect it",
           "a problem wants it and its source is declared as collected by nobody", "info",
           "the body that could collect it", "Put the request to the body named."),
    Reason("not_open", "scope", "Collected, but not open",
           "the source is declared as collected and not open, or as private and not released", "info",
           "the body that collects it", "Ask for access or for an open extract."),
    Reason("fetch_failed", "supply", "We do not hold a file of it that can be read",
           "no release of the source is held, or none that is held can be read", "error",
           "whoever runs this installation", "Refresh the source, or mend the file named in the evidence."),
    Reason("coarser_only", "geography", "Published for a larger place only",
           "more than half of the place lies in published places of which it is the smaller part; or a county, region "
           "or nation that it lies in has a figure, and no place of that one has a row", "info",
           "the publisher", "Ask for the figure by smaller areas, or let the problem accept a share (downscale)."),
    Reason("crosswalk_loss", "geography", "Nothing leads here from where it is published",
           "no succession, table of areas or table of shares that is held leads from the one place system to the other",
           "warn", "whoever runs this installation", "Find a lookup between the two and declare it as a source."),
    Reason("combined_area", "geography", "Published together with a neighbour",
           "the figure stands for several places of which this is only one: as declared, or as codes make likely that "
           "share a label and a figure, or every figure; withheld", "warn",
           "the publisher", "Ask for the places apart; until then only their sum is known."),
    Reason("needs_parts", "geography", "Its parts have it, but it can't be averaged",
           "the place was made from several; the measure is a rate, index, median or rank, its parts are not held",
           "warn", "the publisher", "Ask for the numerator and the denominator of each part."),
    Reason("children_incomplete", "geography", "Some of the areas that make up the place are missing",
           "the place is made of published areas, and fewer of them have a figure than the problem requires",
           "warn", "the publisher", "Ask for the missing areas named in the evidence."),
    Reason("low_reach", "geography", "The source sees only part of the place",
           "people of the place live where the source has no place at all, or it sees under half; withheld", "warn",
           "the publisher of the other part", "Find who publishes the figure for the rest of the place."),
    Reason("split", "geography", "Cut by a boundary, and nobody to share it out by",
           "the published area lies in several of the places asked about, and no people are held by which to share it",
           "warn", "the publisher", "Ask for the figure by the new places or by smaller areas."),
    Reason("too_uncertain", "geography", "Shared out too roughly for this problem",
           "the 90 % interval from back-tests is wider than the problem allows, or is not known", "warn",
           "the publisher", "Ask for the figure by smaller areas; the problem's owner decides how rough it may be."),
    Reason("retired_code", "geography", "Under a code of another time",
           "the code is in the register, but not in use in the place system declared", "warn",
           "the publisher", "Nothing to do where the figure also stands under the code asked for."),
    Reason("unmatched_place", "geography", "Place not known to the register",
           "no place of the register has this code or name", "warn",
           "whoever keeps the source's declaration", "Add the name to the source's table of names."),
    Reason("unallocated", "geography", "The figure belongs to no place",
           "the publisher's own row for what could not be placed", "info",
           "the publisher", "Nothing to do; say how much it is beside any total."),
    Reason("not_due", "supply", "Not due yet",
           "the end of the period plus the usual lag lies after the day of the build", "info",
           "the publisher", "Wait for the release."),
    Reason("late", "supply", "Past due and not held",
           "the end of the period plus the usual lag is over and no release held has the period", "warn",
           "the publisher, or whoever runs this installation",
           "Refresh the source; if that brings nothing, ask the publisher."),
    Reason("not_returned", "supply", "This place is missing, others are there",
           "the release has the period for other places and no row for this one", "warn",
           "the publisher, or the body that makes the return", "Ask why the place is missing."),
    Reason("discontinued", "supply", "The series has ended",
           "the source is published once, and the period asked about came later", "info",
           "the publisher", "Look for what replaced it."),
    Reason("period_mismatch", "supply", "No figure for this period",
           "the release has earlier and later periods, but not this one", "warn",
           "the publisher", "Ask for the period that was left out."),
    Reason("no_figure_for_period", "supply", "Published for another time only",
           "the release has figures of a longer, shorter or earlier time, and none of the period asked about; the "
           "evidence has the nearest", "warn",
           "the publisher", "Ask for a figure of this period; the problem's owner decides whether an older one will do "
           "(carry)."),
    Reason("stale", "supply", "Too old for this problem",
           "the newest figure is older than the greatest age that the problem allows", "warn",
           "the publisher, or whoever runs this installation",
           "Refresh the source; if that brings nothing newer, the problem's owner decides whether it may be older."),
    Reason("withdrawn", "supply", "Was published, and is gone",
           "an earlier release has the cell and the newest one does not", "warn",
           "the publisher", "Ask why it was withdrawn."),
    Reason("suppressed", "disclosure", "Hidden to protect people, or negligible",
           "the publisher's marker for suppression; bounds from the declared rule", "info",
           "the publisher", "Ask for larger areas or longer periods, or for access under agreement."),
    Reason("not_available", "disclosure", "The publisher says it has none",
           "the publisher's marker for not available ([x])", "warn",
           "the publisher", "Ask the publisher why."),
    Reason("unreadable", "values", "Not a figure and not a marker we know",
           "the cell holds text that is neither a number nor a marker declared for the source", "warn",
           "whoever keeps the source's declaration",
           "Find the meaning in the publisher's notes and declare the marker."),
    Reason("unit_change", "meaning", "Its unit seems to have changed",
           "most places are 10, 100, 1000 ... times, or a part of, what they were in other periods or in the release "
           "before, or this one is that much too high; withheld", "error",
           "the publisher", "Ask for the unit; declare the scale, or correct the figure (scale) once it is known."),
    Reason("suspected_zero", "values", "A nought that its own history makes incredible",
           "by a count model of the place's other periods such a nought comes less than once in a million, and most "
           "peers have a figure; withheld, as it says more likely that nothing was sent; not where its totals agree",
           "error",
           "the publisher, or the body that makes the return",
           "Ask whether it is a nought or a return that is missing; a correction that flags the figure lets it stand."),
    Reason("near_zero_leak", "values", "Next to nothing, as if most of it was not sent",
           "above 0 and under a tenth of what its better periods or those around make likely, more than 4.5 spreads "
           "below them and below its peers; withheld, the figure is the least it can be", "error",
           "the publisher, or the body that makes the return",
           "Ask what was not sent; a correction that flags the figure lets it stand."),
    Reason("partial_return", "supply", "There, but a fraction of itself",
           "a count under five eighths of what the periods around or before make likely, more than 4.5 spreads below "
           "them and its peers; withheld, the figure is the least it can be; not where the place goes on at that level",
           "error",
           "the publisher, or the body that makes the return",
           "Ask for the rest of the return; a correction that flags the figure lets it stand."),
    Reason("implausible", "values", "Outside what it can be, or far from all that is like it",
           "outside the range declared for the measure: not used; or more than 4.5 spreads and a factor of 1.6 "
           "from its own history and from its peers: used, with the caveat", "warn",
           "the publisher", "Ask the publisher to confirm or correct it."),
    Reason("duplicate", "values", "Given twice, differently",
           "the file has several figures for one place, period and measure", "warn",
           "the publisher", "Ask which one holds."),
    Reason("dropped", "values", "Taken out by a reviewed correction",
           "a correction of the source drops the cell, and the publisher still prints what it was made for", "warn",
           "the publisher", "Ask the publisher for the right figure; the correction says who dropped it and why."),
    Reason("input_missing", "derived", "Computed from something that is missing",
           "a column computed from several measures, of which one is a gap", "info",
           "see the measure that is missing", "Close the gap of that measure."),
    Reason("incomplete_aggregate", "derived", "Averaged over most of the place, not all",
           "some parts of the place have no rate; the others make up as much of it as the problem requires", "info",
           "the publisher", "Ask for the missing areas."),
    Reason("proxy_used", "derived", "Another measure stands in",
           "the problem declares a stand-in (proxy), and it has a figure where the measure itself has none", "warn",
           "whoever could close the gap of the measure itself", "Close that gap; the need is still open."),
    Reason("limits_contradict", "values", "Its published limits are not taken",
           "the figure lies outside the limits published beside it, or they can't be read; it has no interval", "warn",
           "the publisher", "Ask the publisher which of them is wrong."),
    Reason("rounded", "disclosure", "Rounded",
           "the source declares a rounding base; the interval is half a base either way", "info",
           "the publisher", "Use the interval where the difference matters."),
    Reason("perturbed", "disclosure", "Noise added to protect people",
           "the source declares that figures are perturbed", "info",
           "the publisher", "Do not read small differences; totals need not add."),
    Reason("provisional", "disclosure", "Provisional",
           "the publisher marks it provisional ([p])", "info",
           "the publisher", "Expect it to be revised."),
    Reason("estimated", "disclosure", "Estimated",
           "the publisher marks it estimated or forecast ([e], [f])", "info",
           "the publisher", "Use with care."),
    Reason("low_reliability", "disclosure", "Of low reliability",
           "the publisher marks it unreliable ([u])", "info",
           "the publisher", "Use with care."),
    Reason("extent_changed", "geography", "Some land has moved since",
           "the code changed because the boundary moved; the figure is of the old boundary", "warn",
           "the publisher", "Mind it where the moved land matters; ask for the figure on the new boundary."),
    Reason("boundary_cliff", "derived", "Jumps at its border",
           "further from a neighbour's figure than neighbours are from each other elsewhere: more than 8 robust "
           "deviations beyond the usual, of at least 30 pairs", "info",
           "the publisher", "Ask whether both sides count alike; the table boundary_cliffs has the pair."),
    Reason("definition_break", "meaning", "The series changed meaning",
           "the publisher marks a break ([b]), or the source declares one, by a day and a text", "warn",
           "the publisher", "Do not compare across the break."),
    Reason("recalled", "supply", "Its release was recalled",
           "the source declares that the publisher has recalled the release that the figure comes from", "warn",
           "the publisher", "Use with care, and take the release that replaces it when it is out."),
    Reason("corrected", "values", "Corrected here, not by the publisher",
           "a correction of the source changes the figure, and the publisher still prints what it was made for", "warn",
           "the publisher", "Ask the publisher to correct it; the evidence says who did so here and why."),
    Reason("flagged", "values", "Doubted here",
           "a correction of the source flags the figure and leaves it as it is", "warn",
           "the publisher", "Use with care; the evidence says who doubts it and why."),
    Reason("correction_expired", "values", "A correction no longer applies",
           "the publisher prints another figure than the correction was made for, or none", "warn",
           "whoever keeps the source's declaration", "See whether the new figure is right; take the correction out."),
    Reason("carried_forward", "supply", "Of an earlier time, carried forward",
           "no figure is of the period asked about, and the problem lets an older one be shown for as long as it says "
           "(carry)", "warn",
           "the publisher", "Mind the period of the figure, which stands beside it; ask for one of this period."),
    Reason("repeated_value", "supply", "The same figure again, where peers vary",
           "the very figure of the periods before, in a run that chance does not give once in a million", "warn",
           "the publisher, or the body that makes the return", "Ask whether it was counted again or copied."),
    Reason("conflict", "values", "Two sources give different figures",
           "another measure, declared to be the same quantity, has another figure for the place and period, further "
           "apart than both roundings; the source that comes first by declaration stands, both are kept", "warn",
           "the publishers of both", "Ask them which one holds; the evidence parts the difference."),
    Reason("inconsistent_rate", "values", "The rate is not its numerator over its denominator",
           "numerator over denominator, of the same place and period, differs from the rate by more than the rounding "
           "of all three", "warn",
           "the publisher", "Ask which denominator was used; recompute the rate from its parts where that is sound."),
    Reason("denominator_mismatch", "meaning", "Its denominator is of another time",
           "numerator over the denominator of another period held gives the rate, over that of its own it does not",
           "warn", "the publisher", "Recompute the rate by the denominator of its own period before comparing."),
    Reason("not_comparable", "meaning", "Counted otherwise than in other nations",
           "the source declares that a nation's figures are of another universe, age or basis", "warn",
           "the publisher", "Do not compare across nations; the evidence says what differs."),
    Reason("unexplained", "derived", "Nobody knows why",
           "none of the other reasons holds", "error",
           "whoever runs this installation", "Look at the cell with commonground explain."),
)  # fmt: skip

REASONS: dict[str, Reason] = {reason.code: reason for reason in _TABLE}
WITHHELD: frozenset[str] = frozenset(
    {"combined_area", "low_reach", "unit_change", "suspected_zero", "near_zero_leak", "partial_return"}
)
"""Doubts so grave that no answer takes the figure for the place's value: it would more likely be a wrong number."""
PRECEDENCE: dict[str, int] = {reason.code: place for place, reason in enumerate(_TABLE)}
SEVERITIES: tuple[Severity, ...] = ("info", "warn", "error")


def reasons_table() -> pl.DataFrame:
    """Give the closed set of reasons as a table: reason, family, title, rule, severity, holder, remedy."""
    columns = ["reason", *Reason._fields[1:]]
    return pl.DataFrame([tuple(reason) for reason in _TABLE], schema=columns, orient="row")
