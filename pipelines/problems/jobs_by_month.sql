/*
question: How many people in each district claimed unemployment-related benefits in each month since 2013, and which months can we not see?
decision: Which districts get extra work coaches in the coming quarter, reviewed when each month is published.
owner: Director for labour market recovery, Department for Work and Pensions
geography: lad_2023
groups: [south_london, greater_manchester_work]
grain: month
periods: {start: 2013-01, end: 2026-04}
needs:
  claimants_in_month:
    # Nomis has all districts. The monthly figures of Northern Ireland's own statistics agency go back to 2005.
    one_of: [claimants, claimants_ni_month]
answer:
  column: claimants
*/
select
    place_period.place_code,
    place_period.place_name,
    place_period.region,
    place_period.nation,
    place_period.period_start,
    place_period.period_end,
    claimants_in_month.value as claimants
from lad_2023.place_period
join lad_2023.claimants_in_month using (place_code, period_start)
order by place_period.place_code, place_period.period_start
