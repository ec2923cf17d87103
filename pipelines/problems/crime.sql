/*
question: Which police force areas have most homicide and recorded crime for their people, and which forces are silent?
decision: Where violence reduction units are paid for next year, and which forces' returns are chased first.
owner: Director of public safety, Home Office
geography: pfa_2023
nations: [England, Wales] # the forces that send returns to the Home Office
grain: latest
needs:
  homicide_rate:
    max_age: 3 years
  residents_all_ages_by_year:
    max_age: 5 years
  police_recorded_crimes:
    max_age: 18 months
    proxy: recorded_crimes # from the same forces, with anti-social behaviour
  recorded_crimes:
    max_age: 3 years
    essential: false
unknowns:
  - victims_of_crime_share
*/
select
    place.place_code,
    place.place_name,
    place.nation,
    homicide_rate.value as homicide_rate,
    homicide_rate.reference_end as homicide_rate_to,
    residents_all_ages_by_year.value as residents,
    -- The proxy is in the next column, under its own name.
    case when police_recorded_crimes.proxy_measure is null then police_recorded_crimes.value end as police_recorded_crimes,
    recorded_crimes.value as recorded_crimes,
    recorded_crimes.reference_end as recorded_crimes_to,
    round(1000 * recorded_crimes.value / residents_all_ages_by_year.value, 1) as recorded_crimes_per_1000_residents,
    victims_of_crime_share.value as victims_of_crime_share
from pfa_2023.place
join pfa_2023.homicide_rate using (place_code)
join pfa_2023.residents_all_ages_by_year using (place_code)
join pfa_2023.police_recorded_crimes using (place_code)
join pfa_2023.recorded_crimes using (place_code)
join pfa_2023.victims_of_crime_share using (place_code)
order by place.place_code
