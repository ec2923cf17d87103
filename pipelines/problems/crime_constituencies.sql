/*
question: Is recorded crime rising or falling in my constituency, and is a fall a fall or a police force that sent nothing?
decision: Which forces a minister writes to about missing figures, and where neighbourhood policing money goes first.
owner: Minister for policing, with Members of Parliament
geography: pcon_2024
grain: year
periods: {start: "2016", end: "2024"}
needs:
  recorded_crimes:
  recorded_violence:
  recorded_anti_social_behaviour:
    essential: false
unknowns:
  - victims_of_crime_share
*/
select
    place_period.place_code,
    place_period.place_name,
    place_period.nation,
    place_period.period_start,
    place_period.period_end,
    recorded_crimes.value as recorded_crimes,
    recorded_violence.value as recorded_violence,
    recorded_anti_social_behaviour.value as recorded_anti_social_behaviour,
    victims_of_crime_share.value as victims_of_crime_share
from pcon_2024.place_period
join pcon_2024.recorded_crimes using (place_code, period_start)
join pcon_2024.recorded_violence using (place_code, period_start)
join pcon_2024.recorded_anti_social_behaviour using (place_code, period_start)
join pcon_2024.victims_of_crime_share using (place_code, period_start)
order by place_period.place_code, place_period.period_start
