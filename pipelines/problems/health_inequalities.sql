/*
question: Where in each nation do deprived places have worse health and longer waits, and where can we not tell?
decision: Which districts the health inequalities grant goes to, nation by nation.
owner: Director of public health, with the integrated care board's lead for inequalities
geography: lad_2023
groups: [south_west_london_care]
grain: latest
needs:
  # Each nation has an index of its own. They are never compared with each other.
  deprived_tenth_areas:
    one_of: [deprived_tenth_areas_2025, deprived_tenth_areas_wales,
             deprived_tenth_areas_scotland, deprived_tenth_areas_northern_ireland]
    max_age: 10 years
  health_deprived_tenth_areas:
    one_of: [health_deprived_tenth_areas_2025, health_deprived_tenth_areas_wales,
             health_deprived_tenth_areas_scotland, health_deprived_tenth_areas_northern_ireland]
    max_age: 10 years
  small_areas:
    one_of: [small_areas_2025, small_areas_wales, small_areas_scotland, small_areas_northern_ireland]
    max_age: 10 years
  healthy_life_expectancy_at_birth_women:
    max_age: 5 years
    essential: false
  healthy_life_expectancy_at_birth_men:
    max_age: 5 years
    essential: false
answer:
  column: share_in_most_deprived_tenth_of_nation
  subject: Shares of small areas in the most deprived tenth of their nation
  unit: "%"
unknowns:
  - people_waiting_over_a_year
*/
select
    place.place_code,
    place.place_name,
    place.region,
    place.nation,
    deprived_tenth_areas.value as small_areas_in_most_deprived_tenth_of_nation,
    health_deprived_tenth_areas.value as small_areas_in_tenth_of_nation_most_deprived_in_health,
    small_areas.value as small_areas,
    round(100 * deprived_tenth_areas.value / small_areas.value, 1) as share_in_most_deprived_tenth_of_nation,
    round(100 * health_deprived_tenth_areas.value / small_areas.value, 1)
        as share_in_tenth_of_nation_most_deprived_in_health,
    healthy_life_expectancy_at_birth_women.value as healthy_life_expectancy_at_birth_women,
    healthy_life_expectancy_at_birth_men.value as healthy_life_expectancy_at_birth_men,
    people_waiting_over_a_year.value as people_waiting_over_a_year
from lad_2023.place
join lad_2023.deprived_tenth_areas using (place_code)
join lad_2023.health_deprived_tenth_areas using (place_code)
join lad_2023.small_areas using (place_code)
join lad_2023.healthy_life_expectancy_at_birth_women using (place_code)
join lad_2023.healthy_life_expectancy_at_birth_men using (place_code)
join lad_2023.people_waiting_over_a_year using (place_code)
order by place.place_code
