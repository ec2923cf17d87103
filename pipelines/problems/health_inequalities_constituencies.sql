/*
question: In which constituencies do people live shortest, and where can we not tell?
decision: Which members of Parliament the minister writes to, and which constituencies the select committee visits.
owner: Chair of the health and social care select committee
geography: pcon_2024
grain: latest
needs:
  life_expectancy_at_birth:
    max_age: 5 years
  deprived_tenth_areas_2025:
    max_age: 10 years
  small_areas_2025:
    max_age: 10 years
answer:
  column: life_expectancy_at_birth
  order: lowest
unknowns:
  - people_waiting_over_a_year
*/
select
    place.place_code,
    place.place_name,
    place.nation,
    life_expectancy_at_birth.value as life_expectancy_at_birth,
    deprived_tenth_areas_2025.value as small_areas_in_most_deprived_tenth_of_england,
    small_areas_2025.value as small_areas,
    people_waiting_over_a_year.value as people_waiting_over_a_year
from pcon_2024.place
join pcon_2024.life_expectancy_at_birth using (place_code)
join pcon_2024.deprived_tenth_areas_2025 using (place_code)
join pcon_2024.small_areas_2025 using (place_code)
join pcon_2024.people_waiting_over_a_year using (place_code)
order by place.place_code
