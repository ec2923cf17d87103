-- Figures moved along a crosswalk with coverage, bounds and status, as one would write it plainly.
-- figures: measure, period_start, place_code, value, lower_bound, upper_bound, worst (0 is best); the bounds are null where they
-- are the value itself. crosswalk: from_code, to_code, weight, weight_population, goes_whole.
select
    figures.measure,
    figures.period_start,
    crosswalk.to_code as place_code,
    case when count(*) = count(figures.value) then sum(figures.value * crosswalk.weight) end as value,
    coalesce(sum(figures.value * crosswalk.weight), 0) as partial,
    coalesce(sum(coalesce(figures.lower_bound, figures.value)) filter (where crosswalk.goes_whole), 0) as lower_bound,
    case when count(*) = count(coalesce(figures.upper_bound, figures.value))
        then sum(coalesce(figures.upper_bound, figures.value)) end as upper_bound,
    coalesce(sum(crosswalk.weight_population) filter (where figures.value is not null), 0) / sum(crosswalk.weight_population) as coverage,
    count(*) - count(figures.value) as missing,
    max(figures.worst) as worst
from figures
join crosswalk on crosswalk.from_code = figures.place_code
group by figures.measure, figures.period_start, crosswalk.to_code
