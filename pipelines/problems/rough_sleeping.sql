/*
question: How many people sleep rough in each district, is it rising, and was it counted or guessed?
decision: How rough sleeping money is shared between councils this winter, and which of them are asked to count on the street.
owner: Director for homelessness and rough sleeping, Ministry of Housing, Communities and Local Government
geography: lad_2023
nations: [England]
grain: year
periods: {start: "2018", end: "2025"}
needs:
  people_sleeping_rough:
  rough_sleeping_counted:
    essential: false
answer:
  column: people_sleeping_rough
  subject: People sleeping rough on one night in autumn
  unit: people
*/
select
    place_period.place_code,
    place_period.place_name,
    place_period.region,
    place_period.nation,
    place_period.period_start,
    place_period.period_end,
    people_sleeping_rough.value as people_sleeping_rough,
    rough_sleeping_counted.value as rough_sleeping_counted
from lad_2023.place_period
join lad_2023.people_sleeping_rough using (place_code, period_start)
join lad_2023.rough_sleeping_counted using (place_code, period_start)
order by place_period.place_code, place_period.period_start
