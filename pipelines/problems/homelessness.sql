/*
question: Where are councils housing most households in temporary accommodation, and how many more are owed a duty each quarter?
decision: Which councils get extra homelessness prevention grant, and which returns are chased first.
owner: Director for homelessness and rough sleeping, Ministry of Housing, Communities and Local Government
geography: lad_2023
nations: [England]
grain: latest
needs:
  households_owed_homelessness_duty:
    max_age: 5 years
  households_in_temporary_accommodation:
    max_age: 5 years
  families_in_bed_and_breakfast:
    max_age: 5 years
    essential: false
partners:
  - role: Lead for homelessness in each council
    brings: its quarterly return, and the temporary accommodation it pays for
unknowns:
  - people_homeless_out_of_sight
*/
select
    place.place_code,
    place.place_name,
    place.region,
    place.nation,
    households_owed_homelessness_duty.value as households_owed_homelessness_duty,
    households_owed_homelessness_duty.reference_end as households_owed_homelessness_duty_to,
    households_in_temporary_accommodation.value as households_in_temporary_accommodation,
    households_in_temporary_accommodation.reference_end as households_in_temporary_accommodation_at,
    families_in_bed_and_breakfast.value as families_in_bed_and_breakfast,
    families_in_bed_and_breakfast.reference_end as families_in_bed_and_breakfast_at,
    people_homeless_out_of_sight.value as people_homeless_out_of_sight
from lad_2023.place
join lad_2023.households_owed_homelessness_duty using (place_code)
join lad_2023.households_in_temporary_accommodation using (place_code)
join lad_2023.families_in_bed_and_breakfast using (place_code)
join lad_2023.people_homeless_out_of_sight using (place_code)
order by place.place_code
