/*
question: Where do deprived places have worse health and longer waits, and where can we not tell?
decision: Which districts the health inequalities grant goes to, nation by nation.
owner: Director of public health, with the integrated care board's lead for inequalities
geography: lad_2023
grain: latest
needs:
  deprived_tenth_share_2025:
    max_age: 10 years
  health_deprived_tenth_share_2025:
    max_age: 10 years
  deprived_tenth_share_2019:
    max_age: 10 years
  deprived_tenth_areas_wales:
    max_age: 10 years
  health_deprived_tenth_areas_wales:
    max_age: 10 years
  small_areas_wales:
    max_age: 10 years
  deprived_tenth_areas_scotland:
    max_age: 10 years
  health_deprived_tenth_areas_scotland:
    max_age: 10 years
  small_areas_scotland:
    max_age: 10 years
  deprived_tenth_areas_northern_ireland:
    max_age: 10 years
  small_areas_northern_ireland:
    max_age: 10 years
  healthy_life_expectancy_at_birth:
    max_age: 5 years
unknowns:
  - people_waiting_over_a_year
*/
select
    place.place_code,
    place.place_name,
    place.region,
    place.nation,
    deprived_tenth_share_2025.value as share_in_most_deprived_tenth_of_england_2025,
    deprived_tenth_share_2019.value as share_in_most_deprived_tenth_of_england_2019,
    health_deprived_tenth_share_2025.value as share_in_tenth_of_england_most_deprived_in_health_2025,
    round(100 * deprived_tenth_areas_wales.value / small_areas_wales.value, 1)
        as share_in_most_deprived_tenth_of_wales,
    round(100 * health_deprived_tenth_areas_wales.value / small_areas_wales.value, 1)
        as share_in_tenth_of_wales_most_deprived_in_health,
    round(100 * deprived_tenth_areas_scotland.value / small_areas_scotland.value, 1)
        as share_in_most_deprived_tenth_of_scotland,
    round(100 * health_deprived_tenth_areas_scotland.value / small_areas_scotland.value, 1)
        as share_in_tenth_of_scotland_most_deprived_in_health,
    round(100 * deprived_tenth_areas_northern_ireland.value / small_areas_northern_ireland.value, 1)
        as share_in_most_deprived_tenth_of_northern_ireland,
    healthy_life_expectancy_at_birth.value as healthy_life_expectancy_at_birth,
    people_waiting_over_a_year.value as people_waiting_over_a_year
from lad_2023.place
join lad_2023.deprived_tenth_share_2025 using (place_code)
join lad_2023.deprived_tenth_share_2019 using (place_code)
join lad_2023.health_deprived_tenth_share_2025 using (place_code)
join lad_2023.deprived_tenth_areas_wales using (place_code)
join lad_2023.health_deprived_tenth_areas_wales using (place_code)
join lad_2023.small_areas_wales using (place_code)
join lad_2023.deprived_tenth_areas_scotland using (place_code)
join lad_2023.health_deprived_tenth_areas_scotland using (place_code)
join lad_2023.small_areas_scotland using (place_code)
join lad_2023.deprived_tenth_areas_northern_ireland using (place_code)
join lad_2023.small_areas_northern_ireland using (place_code)
join lad_2023.healthy_life_expectancy_at_birth using (place_code)
join lad_2023.people_waiting_over_a_year using (place_code)
order by place.place_code
