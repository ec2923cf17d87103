/*
question: How much protective equipment did each nation issue to health and social care, and can nations be compared?
decision: How a shared reserve of masks, gloves and aprons is split between the four nations.
owner: Ministers for health of the four nations
geography: nation_2020
grain: quarter
periods: {start: 2020-Q3, end: 2022-Q1}
needs:
  aprons_issued:
  type_iir_masks_issued:
  face_visors_issued:
unknowns:
  - gloves_issued_in_one_unit
  - ppe_in_national_stores
*/
select
    place_period.place_code,
    place_period.place_name,
    place_period.period_start,
    place_period.period_end,
    aprons_issued.value as aprons_issued_in_a_week,
    aprons_issued.reference_end as aprons_issued_in_the_week_to,
    type_iir_masks_issued.value as type_iir_masks_issued_in_a_week,
    face_visors_issued.value as face_visors_issued_in_a_week,
    gloves_issued_in_one_unit.value as gloves_issued_in_one_unit,
    ppe_in_national_stores.value as ppe_in_national_stores
from nation_2020.place_period
join nation_2020.aprons_issued using (place_code, period_start)
join nation_2020.type_iir_masks_issued using (place_code, period_start)
join nation_2020.face_visors_issued using (place_code, period_start)
join nation_2020.gloves_issued_in_one_unit using (place_code, period_start)
join nation_2020.ppe_in_national_stores using (place_code, period_start)
order by place_period.place_code, place_period.period_start
