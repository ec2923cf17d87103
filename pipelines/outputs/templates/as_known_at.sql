-- What was known on a day: of each measure and period the newest release that was out by then and has the
-- period, as it has it. A cell that this release no longer has is left out, also where an earlier one had it.
create macro as_known_at(day) as table
with out_by_then as (
    select
        observations.*,
        releases.release_order
    from observations
    join releases
        on releases.source = observations.source
        and releases.release = observations.release
        and releases.released_at = observations.released_at
    where observations.released_at <= day::date
)
select * exclude (release_order)
from out_by_then
qualify rank() over (
    partition by measure, period_start, period_end
    order by released_at desc, release_order desc
) = 1;
comment on macro table as_known_at is
'The figures known on a day: select * from as_known_at(date ''2025-06-30''). Of each measure and period the newest release out by then';
