-- Every observation in this file, with the texts that it shares with others.
create view observation_rows as
select
    figures.slice,
    slices.source,
    slices.release,
    slices.released_at,
    slices.measure,
    places.place_code,
    slices.geography,
    places.place_label,
    slices.period_start,
    slices.period_end,
    figures.value,
    if(marks.is_exact, figures.value, figures.lower_bound) as lower_bound,
    if(marks.is_exact, figures.value, figures.upper_bound) as upper_bound,
    figures.interval_lower,
    figures.interval_upper,
    marks.interval_level,
    marks.interval_source,
    marks.obs_status,
    marks.published_marker,
    slices.unit,
    marks.caveats,
    marks.caveat_evidence,
    slices.file,
    figures.file_row,
    marks.file_column
from observation_figures as figures
join observation_slices as slices on slices.slice = figures.slice
join observation_places as places on places.place = figures.place
join observation_marks as marks on marks.mark = figures.mark;
create view observations as
select * exclude (slice)
from observation_rows;
-- Slices as known on a day. Each measure and period comes from the latest release published by that day that covers the
-- period. A cell missing from that release is excluded, even if an earlier release has it.
create macro slices_known_at(day) as table
select slices.*
from observation_slices as slices
join releases
    on releases.source = slices.source
    and releases.release = slices.release
    and releases.released_at = slices.released_at
where slices.released_at <= day::date
qualify rank() over (
    partition by slices.measure, slices.period_start, slices.period_end
    order by slices.released_at desc, releases.release_order desc
) = 1;
create macro as_known_at(day) as table
select observation_rows.* exclude (slice)
from observation_rows
join (
    select
        slice,
        if(
            bool_and(in_file) over (),
            true,
            error(
                'This file lacks figures that were known on ' || day::date || ' (slices: '
                || (sum((not in_file)::int) over ()) || '), because later releases replaced them. They are in the '
                || 'folder "observations" beside the file where it was built. Copy that folder too, and add its path: '
                || 'select * from as_known_at(date ''' || day::date || ''', ''PATH/observations'')'
            )
        ) as is_complete
    from slices_known_at(day)
) as known
    on known.slice = observation_rows.slice
where known.is_complete,
(day, folder) as table
select observation_rows.* exclude (slice)
from observation_rows
where observation_rows.slice in (select slice from slices_known_at(day))
union all by name
select superseded.*
from read_parquet(folder || '/*.parquet') as superseded
semi join (select * from slices_known_at(day) where not in_file) as known
    on known.source = superseded.source
    and known.release = superseded.release
    and known.released_at = superseded.released_at
    and known.measure = superseded.measure
    and known.period_start = superseded.period_start
    and known.period_end = superseded.period_end;
create macro superseded_observations(folder) as table
select *
from read_parquet(folder || '/*.parquet');
comment on macro table as_known_at is
'Figures as known on a day: select * from as_known_at(date ''2025-06-30''). Uses the latest release by that day for each measure and period';
comment on macro table slices_known_at is
'Slices as known on a day, one row for each measure and period of a release';
comment on macro table superseded_observations is
'Observations that are not in this file, from the folder observations beside it: from superseded_observations(''PATH/observations'')';
