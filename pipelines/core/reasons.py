"""Gap reasons: for each its meaning, rule, severity, data owner and remedy.

The order of the table is the order of precedence. The first reason that applies is the primary reason of a cell; the
others are listed as further reasons. Codes follow SDMX and the Government Analysis Function's symbols where these have
an equivalent. The set is closed: a check that reports another code is refused.
"""

from typing import Literal, NamedTuple

import polars as pl

Severity = Literal["info", "warn", "error"]
ReasonFamily = Literal["scope", "geography", "supply", "disclosure", "meaning", "values", "derived"]


class Reason(NamedTuple):
    """A gap reason, or a caveat on a value that is present."""

    code: str
    family: ReasonFamily
    title: str
    rule: str
    severity: Severity
    data_owner: str
    remedy: str


_REASONS_IN_ORDER: tuple[Reason, ...] = (
    Reason("not_applicable", "scope", "Not applicable",
           "the publisher marks the cell not applicable ([z])", "info",
           "none", "No action."),
    Reason("nation_not_covered", "scope", "The series does not cover this nation",
           "the source declares that it excludes the nation, or has no figure for any place in it", "info",
           "the statistical authority of that nation",
           "Find the nation's own series and declare it as a source."),
    Reason("not_collected", "scope", "Not known to be collected",
           "a problem wants the measure, and its source declares that no body collects it", "info",
           "the body that could collect it", "Send the request to the body named."),
    Reason("not_open", "scope", "Collected, but not open",
           "the source is declared as collected and not open, or as private", "info",
           "the body that collects it", "Request access or an open extract."),
    Reason("not_existing", "scope", "Place no longer existed",
           "the code of the place ended before the period of the figures, and the file has no row for it", "info",
           "none", "No action; its successors are in a geography of the period."),
    Reason("not_loaded", "supply", "Published, but not loaded here",
           "the source is published, and no release is stored here; or the period lies between two stored releases, or "
           "the files were compiled by another body and omit it; or the file is an extract without the place or the "
           "period", "error",
           "your Commonground administrator", "Refresh the source, or add its file."),
    Reason("fetch_failed", "supply", "Stored file cannot be read",
           "a release of the source is stored, and it cannot be read", "error",
           "your Commonground administrator", "Replace the file named in the evidence: refresh the source."),
    Reason("coarser_only", "geography", "Published only for a larger area",
           "more than half of the place is in published areas of which it is the smaller part. Or a county, region or "
           "nation that contains it has a figure, and no place within that area has a row", "info",
           "the publisher", "Ask for figures for smaller areas, or let the problem accept apportioned figures "
           "(downscale)."),
    Reason("membership_not_loaded", "geography", "No table from the published areas to this place",
           "no stored code change, table of areas or table of shares links the source geography to the target "
           "geography", "warn", "your Commonground administrator",
           "Find a lookup between the two geographies and declare it as a source."),
    Reason("combined_area", "geography", "Published together with a neighbouring area",
           "the figure covers several places including this one: as declared, or as is likely because their codes "
           "share a label and a figure, or share every figure; withheld", "warn",
           "the publisher", "Ask for separate figures for each place; until then only their sum is known."),
    Reason("needs_parts", "geography", "Cannot be recomputed for the merged area",
           "the place was merged from several; the measure is a rate, index, median or rank, and the numerators and "
           "denominators of its parts are not stored",
           "warn", "the publisher", "Ask for the numerator and the denominator of each part."),
    Reason("children_incomplete", "geography", "Some component areas are missing",
           "the place is aggregated from published areas, and fewer of them have a figure than the problem requires",
           "warn", "the publisher", "Ask for the missing areas named in the evidence."),
    Reason("low_reach", "geography", "The source covers only part of the place",
           "some residents of the place live where the source has no area, or the source covers less than half of the "
           "expected population; withheld", "warn",
           "the publisher of the other part", "Find who publishes the figure for the rest of the place."),
    Reason("split", "geography", "Split by a boundary and cannot be apportioned",
           "the published area lies in several of the target areas, and no population is stored by which to apportion "
           "its figure", "warn", "the publisher", "Ask for the figure for the new areas or for smaller areas."),
    Reason("too_uncertain", "geography", "Apportionment too uncertain for this problem",
           "the 90 % interval from back-tests is wider than the problem allows, or is not known", "warn",
           "the publisher", "Ask for figures for smaller areas; the problem's owner decides how much uncertainty is "
           "acceptable."),
    Reason("retired_code", "geography", "Code not in use in the declared geography",
           "the code is in the register, but is not in use in the geography that the source declares", "warn",
           "the publisher", "No action where the figure is also published under the code requested."),
    Reason("newer_than_register", "geography", "Code newer than the register",
           "the code is of a known kind, and its number is above every code in the register", "warn",
           "your Commonground administrator",
           "Add the publisher's newer list of these places, or a newer edition of Commonground."),
    Reason("unmatched_place", "geography", "Place not in the register",
           "no place in the register has this code or name", "warn",
           "the maintainer of the source declaration", "Add the name to the source's table of names."),
    Reason("label_contradicts_code", "geography", "Code and name are of two places",
           "the name beside the code is not a name of that place, and is the name of one other place of the geography",
           "warn", "the publisher", "Ask whether the code or the name is correct."),
    Reason("unallocated", "geography", "Not allocated to a place",
           "the publisher's own row for records that could not be allocated to a place", "info",
           "the publisher", "No action; state the amount beside any total."),
    Reason("not_due", "supply", "Not due yet",
           "the end of the period plus the usual lag is after the day of the build", "info",
           "the publisher", "Wait for the release."),
    Reason("late", "supply", "Overdue: newer release not yet loaded",
           "the end of the period plus the usual lag has passed, and no stored release has the period", "warn",
           "the publisher, or your Commonground administrator",
           "Refresh the source; if that adds nothing, ask the publisher."),
    Reason("not_returned", "supply", "Missing for this place, published for others",
           "the release has the period for other places and no row for this one", "warn",
           "the publisher, or the provider that makes the return", "Ask why the place is missing."),
    Reason("none_or_not_reported", "supply", "None, or none reported",
           "the release has the period for other places and no row for this one, and the source declares that its file "
           "does not distinguish a figure of 0 from a missing return (absent_row)", "warn",
           "the publisher, or the provider that makes the return",
           "Ask whether the place had none or reported none."),
    Reason("outside_source", "supply", "Not among the places of the source",
           "the source declares that its places are those in its files (returns: expected: seen), and this place has "
           "no row in any stored period", "info",
           "the body that could publish it", "Find who publishes the figure for this place."),
    Reason("before_series", "supply", "Before the series began",
           "the period requested ends before the first figure of the series", "info",
           "the publisher", "Ask whether earlier figures exist; or find the series that this one replaced."),
    Reason("after_series", "supply", "After the series ended",
           "the source is published once, and the period requested is later", "info",
           "the publisher", "Find the series that replaced it."),
    Reason("periods_incomplete", "supply", "Part of the period has no figure",
           "the need takes its figure from shorter periods (over_time), and some of them have none", "warn",
           "the publisher", "Ask for the figures of the days or periods in the evidence."),
    Reason("coarser_period", "supply", "Published only for a longer period",
           "the figure is for a longer period, of which the period requested is a part. A caveat where the need "
           "accepts it", "warn",
           "the publisher", "Ask for figures for shorter periods; the problem's owner decides whether the longer "
           "period is acceptable (accept)."),
    Reason("no_figure_for_period", "supply", "Published only for another reference period",
           "the release has figures for a shorter, earlier or later period, and none for the period requested; the "
           "evidence names the nearest", "warn",
           "the publisher", "Ask for a figure for this period; the problem's owner decides whether an older one is "
           "acceptable (carry)."),
    Reason("stale", "supply", "Too old for this problem",
           "the newest figure is older than the maximum age that the problem allows", "warn",
           "the publisher, or your Commonground administrator",
           "Refresh the source; if that adds nothing newer, the problem's owner decides whether an older figure is "
           "acceptable."),
    Reason("withdrawn", "supply", "Withdrawn since an earlier release",
           "an earlier release has the cell and the newest one does not", "warn",
           "the publisher", "Ask why it was withdrawn."),
    Reason("suppressed", "disclosure", "Suppressed to protect confidentiality, or negligible",
           "the publisher's marker for suppression; bounds follow the declared rule", "info",
           "the publisher", "Ask for larger areas or longer periods, or for access under agreement."),
    Reason("not_available", "disclosure", "Not available from the publisher",
           "the publisher's marker for not available ([x])", "warn",
           "the publisher", "Ask the publisher why."),
    Reason("unreadable", "values", "Neither a number nor a known marker",
           "the cell contains text that is neither a number nor a marker declared for the source", "warn",
           "the maintainer of the source declaration",
           "Find the meaning in the publisher's notes and declare the marker."),
    Reason("numeric_marker", "values", "Number used as a marker",
           "a count or stock is -1, -9 or below 0 in nines alone, such as -99; or a number of nines is repeated, or is "
           "ten times as high as every other figure", "error",
           "the maintainer of the source declaration",
           "Find the meaning in the publisher's notes and declare the number as a marker."),
    Reason("zero_denominator", "values", "Rate with a denominator of 0",
           "the denominator for the place and period is 0, so there is no rate", "warn",
           "the publisher", "Ask for the denominator; no action where it is 0 indeed."),
    Reason("unit_change", "meaning", "Unit appears to have changed",
           "figures for most places differ by a power of ten from other periods or from the previous release, or "
           "this figure alone is too high by a power of ten, or is a fraction among percentages; withheld", "error",
           "the publisher", "Ask for the unit; declare the scale, or correct the figure (scale) once it is known."),
    Reason("suspected_zero", "values", "Implausible zero",
           "a count model of the place's other periods gives the zero a probability below one in a million, and most "
           "peers have a figure. Withheld as a probable missing return; kept where published totals agree",
           "error",
           "the publisher, or the provider that makes the return",
           "Ask whether it is a zero or a missing return; a correction that flags the figure retains it."),
    Reason("near_zero_leak", "values", "Implausibly close to zero",
           "above 0 and under a tenth of the figure expected from its better periods or from adjacent periods. Also "
           "more than 4.5 robust standard deviations below them and its peers. Withheld; the figure is a lower bound",
           "error",
           "the publisher, or the provider that makes the return",
           "Ask for the missing part of the return; a correction that flags the figure retains it."),
    Reason("partial_return", "supply", "Implausibly low: probably a partial return",
           "a count under five eighths of the figure expected from adjacent or earlier periods. Also more than 4.5 "
           "robust standard deviations below them and its peers. Withheld; the figure is a lower bound; not applied "
           "where the place remains at that level",
           "error",
           "the publisher, or the provider that makes the return",
           "Ask for the rest of the return; a correction that flags the figure retains it."),
    Reason("provider_shortfall", "supply", "Its provider's return seems incomplete",
           "the figures of the places of one provider, such as a police force, add to under 85 % of the sum expected "
           "from the periods beside it. Also more than 4.5 robust standard deviations below it. Used, with a caveat; "
           "where under half came, the places have `partial_return`", "warn",
           "the provider that makes the return", "Ask the provider for the rest of the return."),
    Reason("implausible", "values", "Outside its valid range, or far from comparable figures",
           "outside the range declared for the measure: not used. Or more than 4.5 robust standard deviations and a "
           "factor of 1.6 from its own history and from its peers: used, with a caveat", "warn",
           "the publisher", "Ask the publisher to confirm or correct it."),
    Reason("duplicate", "values", "Published twice with different figures",
           "the file has several figures for one place, period and measure", "warn",
           "the publisher", "Ask which figure is correct."),
    Reason("dropped", "values", "Removed by a reviewed correction",
           "a correction of the source drops the cell, and the publisher still publishes the figure that it corrects",
           "warn",
           "the publisher", "Ask the publisher for the correct figure; the correction states who dropped it and why."),
    Reason("input_missing", "derived", "An input to the calculation is missing",
           "a column computed from several measures, one of which is a gap", "info",
           "see the missing measure", "Close the gap in that measure."),
    Reason("incomplete_aggregate", "derived", "Averaged over most of the place, not all",
           "some parts of the place have no rate; the others are at least the share that the problem requires", "info",
           "the publisher", "Ask for the missing areas."),
    Reason("proxy_used", "derived", "Proxy measure used",
           "the problem declares a proxy, which has a figure where the measure itself has none", "warn",
           "the data owner of the measure itself", "Close the gap in the measure itself; the need remains open."),
    Reason("limits_contradict", "values", "Published interval not used",
           "the figure lies outside the limits published beside it, or they cannot be read; it has no interval", "warn",
           "the publisher", "Ask the publisher which is wrong: the figure or the limits."),
    Reason("rounded", "disclosure", "Rounded",
           "the source declares a rounding base; the bounds are half a base either side", "info",
           "the publisher", "Use the bounds where the difference matters."),
    Reason("perturbed", "disclosure", "Noise added to protect confidentiality",
           "the source declares that figures are perturbed", "info",
           "the publisher", "Do not interpret small differences; totals may not equal the sum of their parts."),
    Reason("provisional", "disclosure", "Provisional",
           "the publisher marks it provisional ([p])", "info",
           "the publisher", "Expect a revision."),
    Reason("estimated", "disclosure", "Estimated",
           "the publisher marks it estimated or forecast ([e], [f])", "info",
           "the publisher", "Use with care."),
    Reason("low_reliability", "disclosure", "Low reliability",
           "the publisher marks it unreliable ([u])", "info",
           "the publisher", "Use with care."),
    Reason("extent_changed", "geography", "Boundary has changed since",
           "the code changed because the boundary moved; the figure is for the old boundary", "warn",
           "the publisher", "Take care where the transferred land matters; ask for the figure for the new boundary."),
    Reason("boundary_cliff", "derived", "Discontinuity at a boundary",
           "differs from a neighbour's figure more than neighbours differ elsewhere: by more than 8 robust standard "
           "deviations beyond the usual difference, over at least 30 pairs", "info",
           "the publisher", "Ask whether both sides count alike; the table boundary_discontinuities has the pair."),
    Reason("definition_break", "meaning", "Definition changed",
           "the publisher marks a break ([b]), or the source declares one with a day and a text", "warn",
           "the publisher", "Do not compare across the break."),
    Reason("recalled", "supply", "Release recalled by the publisher",
           "the source declares that the publisher has recalled the release that contains the figure", "warn",
           "the publisher", "Use with care; load the replacement when it is released."),
    Reason("corrected", "values", "Corrected in this project, not by the publisher",
           "a correction of the source changes the figure, and the publisher still publishes the figure that it "
           "corrects", "warn",
           "the publisher", "Ask the publisher to correct it; the evidence states who corrected it and why."),
    Reason("flagged", "values", "Flagged as doubtful in this project",
           "a correction of the source flags the figure and leaves it unchanged", "warn",
           "the publisher", "Use with care; the evidence states who flagged it and why."),
    Reason("correction_expired", "values", "Correction no longer applies",
           "the publisher now publishes a different figure from the corrected one, or none", "warn",
           "the maintainer of the source declaration", "Check the new figure, then remove the correction."),
    Reason("carried_forward", "supply", "Carried forward from an earlier period",
           "no figure is for the period requested, and the problem accepts an older one up to a stated age (carry)",
           "warn",
           "the publisher", "Check the reference period beside the figure; ask for a figure for this period."),
    Reason("repeated_value", "supply", "Repeated figure where peers vary",
           "identical to the figures of the preceding periods, in a run with a probability below one in a million",
           "warn",
           "the publisher, or the provider that makes the return",
           "Ask whether the figure was measured again or copied."),
    Reason("conflict", "values", "Two sources give different figures",
           "another measure, declared to be the same quantity, has a different figure for the place and period, and "
           "rounding does not explain it. The source preferred by declaration is used, and both are stored",
           "warn", "the publishers of both", "Ask which figure is correct; the evidence decomposes the difference."),
    Reason("inconsistent_rate", "values", "Rate differs from numerator over denominator",
           "numerator over denominator, for the same place and period, differs from the rate by more than the rounding "
           "of all three", "warn",
           "the publisher", "Ask which denominator was used; recompute the rate from its parts where that is sound."),
    Reason("denominator_mismatch", "meaning", "Denominator is from another period",
           "the numerator gives the rate with the denominator of another stored period, and not with the denominator "
           "of its own period",
           "warn", "the publisher", "Recompute the rate with the denominator of its own period before comparing."),
    Reason("not_comparable", "meaning", "Not comparable with other nations",
           "the source declares that a nation's figures have a different population, age group or basis", "warn",
           "the publisher", "Do not compare across nations; the evidence states what differs."),
    Reason("unexplained", "derived", "Unexplained",
           "no other reason applies", "error",
           "your Commonground administrator", "Inspect the cell with commonground explain."),
)  # fmt: skip

REASONS: dict[str, Reason] = {reason.code: reason for reason in _REASONS_IN_ORDER}
WITHHOLDING_REASONS: frozenset[str] = frozenset(
    {"combined_area", "low_reach", "unit_change", "suspected_zero", "near_zero_leak", "partial_return"}
)
"""Plausibility reasons for which no answer uses the figure, because it is more likely wrong than right."""
REASON_PRECEDENCE: dict[str, int] = {reason.code: place for place, reason in enumerate(_REASONS_IN_ORDER)}
SEVERITIES: tuple[Severity, ...] = ("info", "warn", "error")


def reasons_frame() -> pl.DataFrame:
    """Return all reasons as a table: reason, family, title, rule, severity, data_owner, remedy."""
    columns = ["reason", *Reason._fields[1:]]
    return pl.DataFrame([tuple(reason) for reason in _REASONS_IN_ORDER], schema=columns, orient="row")
