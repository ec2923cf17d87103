/*
question: How full were hospitals with patients who need a ventilator, board by board, and where can we not tell?
decision: Whether boards lend each other critical care beds and ventilators, and which figures to ask for first.
owner: Chief medical officers for Wales and for Scotland
geography: health_board_2019
grain: month
periods: {start: 2020-03, end: 2021-06}
needs:
  covid_patients_in_intensive_care:
    nations: [Scotland]
  covid_patients_in_hospital_scotland:
    nations: [Scotland]
    essential: false
  beds_available_all_specialties:
    nations: [Wales]
  beds_occupied_all_specialties:
    nations: [Wales]
  critical_care_beds_occupied_wales:
    nations: [Wales]
unknowns:
  - ventilators_on_hand_by_health_board
*/
select
    place_period.place_code,
    place_period.place_name,
    place_period.nation,
    place_period.period_start,
    place_period.period_end,
    covid_patients_in_intensive_care.value as covid_patients_in_intensive_care,
    covid_patients_in_hospital_scotland.value as covid_patients_in_hospital_scotland,
    beds_available_all_specialties.value as beds_available_all_specialties,
    beds_occupied_all_specialties.value as beds_occupied_all_specialties,
    round(100 * beds_occupied_all_specialties.value / beds_available_all_specialties.value, 1)
        as share_of_beds_occupied,
    critical_care_beds_occupied_wales.value as critical_care_beds_occupied_wales,
    ventilators_on_hand_by_health_board.value as ventilators_on_hand_by_health_board
from health_board_2019.place_period
join health_board_2019.covid_patients_in_intensive_care using (place_code, period_start)
join health_board_2019.covid_patients_in_hospital_scotland using (place_code, period_start)
join health_board_2019.beds_available_all_specialties using (place_code, period_start)
join health_board_2019.beds_occupied_all_specialties using (place_code, period_start)
join health_board_2019.critical_care_beds_occupied_wales using (place_code, period_start)
join health_board_2019.ventilators_on_hand_by_health_board using (place_code, period_start)
order by place_period.place_code, place_period.period_start
