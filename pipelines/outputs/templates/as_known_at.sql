-- Return the observations as known on a day. Each measure and period comes from the latest release published by that
-- day that covers the period. A cell missing from that release is excluded, even if an earlier release has it.
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
'Figures as known on a day: select * from as_known_at(date ''2025-06-30''). Uses the latest release by that day for each measure and period';
