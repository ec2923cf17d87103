/*
question: How much protective equipment has each nation issued to health and social care since March 2020, for its people?
decision: How a shared reserve of masks, gloves and aprons is split between the four nations.
decision_date: 2022-03-31
owner: Ministers for health of the four nations
geography: nation_2020
grain: latest
needs:
  # Totals since March 2020, to another day in each nation: the columns per week allow for it.
  aprons_issued_so_far:
    carry: 9 months
  type_iir_masks_issued_so_far:
    carry: 9 months
  face_visors_issued_so_far:
    carry: 9 months
  residents_all_ages_by_year:
    max_age: 2 years
answer:
  column: aprons_issued_per_100_residents_a_week
  subject: Aprons issued
  unit: per 100 residents a week
unknowns:
  - gloves_issued_in_one_unit
  - ppe_in_national_stores
*/
with issued as (
    select
        place.place_code,
        place.place_name,
        residents_all_ages_by_year.value as residents,
        aprons_issued_so_far.value as aprons_issued,
        aprons_issued_so_far.reference_end as aprons_issued_to,
        type_iir_masks_issued_so_far.value as type_iir_masks_issued,
        type_iir_masks_issued_so_far.reference_end as type_iir_masks_issued_to,
        face_visors_issued_so_far.value as face_visors_issued,
        face_visors_issued_so_far.reference_end as face_visors_issued_to,
        -- Totals in hundreds of residents and weeks, so that nations with other days can be compared.
        residents_all_ages_by_year.value / 100
        * (date_diff('day', aprons_issued_so_far.reference_start, aprons_issued_so_far.reference_end) + 1) / 7
            as hundreds_of_residents_by_weeks,
        gloves_issued_in_one_unit.value as gloves_issued_in_one_unit,
        ppe_in_national_stores.value as ppe_in_national_stores
    from nation_2020.place
    join nation_2020.residents_all_ages_by_year using (place_code)
    join nation_2020.aprons_issued_so_far using (place_code)
    join nation_2020.type_iir_masks_issued_so_far using (place_code)
    join nation_2020.face_visors_issued_so_far using (place_code)
    join nation_2020.gloves_issued_in_one_unit using (place_code)
    join nation_2020.ppe_in_national_stores using (place_code)
)

select
    issued.place_code,
    issued.place_name,
    issued.residents,
    issued.aprons_issued,
    issued.aprons_issued_to,
    round(issued.aprons_issued / issued.hundreds_of_residents_by_weeks, 1) as aprons_issued_per_100_residents_a_week,
    issued.type_iir_masks_issued,
    issued.type_iir_masks_issued_to,
    issued.face_visors_issued,
    issued.face_visors_issued_to,
    issued.gloves_issued_in_one_unit,
    issued.ppe_in_national_stores
from issued
order by issued.place_code
