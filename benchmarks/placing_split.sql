-- Figures moved along a crosswalk as in placing.sql, with the few figures without a value summed apart from the known ones.
-- The known figures of these data have no bounds, so their value is both bounds.
with known as (
    select measure, period_start, to_code, sum(value * weight) as partial, sum(value) as upper_bound,
        sum(value) filter (where goes_whole) as lower_bound, sum(weight_population) as people
    from figures join crosswalk on from_code = place_code
    where value is not null
    group by all
),
gaps as (
    select measure, period_start, to_code, count(*) as missing, max(obs_status) as worst,
        sum(lower_bound) filter (where goes_whole) as lower_bound,
        case when count(*) = count(upper_bound) then sum(upper_bound) end as upper_bound,
        count(*) > count(upper_bound) as is_open, sum(weight_population) as people
    from figures join crosswalk on from_code = place_code
    where value is null
    group by all
)
select
    measure,
    period_start,
    to_code as place_code,
    case when gaps.missing is null then known.partial end as value,
    coalesce(known.partial, 0) as partial,
    coalesce(known.lower_bound, 0) + coalesce(gaps.lower_bound, 0) as lower_bound,
    case when not coalesce(is_open, false) then coalesce(known.upper_bound, 0) + coalesce(gaps.upper_bound, 0) end
        as upper_bound,
    coalesce(known.people, 0) / (coalesce(known.people, 0) + coalesce(gaps.people, 0)) as coverage,
    coalesce(gaps.missing, 0) as missing,
    coalesce(gaps.worst, 0) as worst
from known
full join gaps using (measure, period_start, to_code)
