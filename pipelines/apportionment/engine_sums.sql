-- Sums over the parts of target places, for any engine: DuckDB and Spark Connect servers run the same text.
--
-- figure  slice, place_code, value, lower_bound, upper_bound, status (number, -1 in no row), is_hidden, and texts: the
--         files of the releases in use, so that no query looks for the newest release
-- asked   slice, slice_number: the slices in use
-- part    target, origin, place_code, whole, cut, codes, people: the crosswalk, one row for each pair
-- origin  place_code, people, is_listed: its source places; is_listed where every row is wanted
-- flagged slice, place_code: figures with a caveat that rests on other releases or sources
-- wanted  slice_number, target: cells of which the parts without a figure are listed

-- name: sums
select
    asked.slice_number,
    part.target,
    sum(figure.value * part.whole) as whole,
    sum(figure.value * part.cut) as cut,
    sum(case when figure.value is not null then part.codes else 0 end) as valued,
    sum(part.codes) as returned,
    sum(case when figure.value is not null then part.people else 0 end) as covered,
    sum(case when figure.lower_bound is not null then 1 else 0 end) as with_low,
    sum(case when figure.upper_bound is not null then 1 else 0 end) as with_high,
    sum(case when figure.lower_bound is not null then part.whole else 0 end) as whole_with_low,
    sum(case when figure.lower_bound is not null or figure.upper_bound is not null then 1 else 0 end) as bounded,
    sum(figure.lower_bound * part.whole) as low,
    sum(figure.upper_bound) as high,
    max(figure.status) as worst,
    max(case when figure.is_hidden then -1 else figure.status end) as worst_published
from figure
join asked on asked.slice = figure.slice
join part on part.place_code = figure.place_code
group by asked.slice_number, part.target

-- name: least
select asked.slice_number, min(figure.value) as least_value, min(figure.lower_bound) as least_bound
from figure
join asked on asked.slice = figure.slice
group by asked.slice_number

-- name: spread
with used as (
    select asked.slice_number, figure.value, origin.people, figure.value / origin.people as rate
    from figure
    join asked on asked.slice = figure.slice
    join origin on origin.place_code = figure.place_code
    where figure.value is not null and origin.people > 0
),
every as (
    select slice_number, sum(value) / sum(people) as level, sum(people) as people, count(*) as places
    from used
    group by slice_number
)
select
    used.slice_number,
    max(every.level) as level,
    max(every.places) as places,
    sqrt(sum((used.rate - every.level) * (used.rate - every.level) * (used.people / every.people))) as spread
from used
join every on every.slice_number = used.slice_number
group by used.slice_number

-- name: worded
select asked.slice_number, figure.*
from figure
join asked on asked.slice = figure.slice
left join origin on origin.place_code = figure.place_code
left join flagged on flagged.slice = figure.slice and flagged.place_code = figure.place_code
where origin.place_code is null
    or origin.is_listed
    or flagged.place_code is not null
    or figure.published_marker is not null
    or figure.caveats is not null
    or figure.caveat_evidence is not null

-- name: lacking
select wanted.slice_number, part.origin
from wanted
join asked on asked.slice_number = wanted.slice_number
join part on part.target = wanted.target
left join (select slice, place_code from figure where value is not null) as known
    on known.slice = asked.slice and known.place_code = part.place_code
where known.place_code is null
