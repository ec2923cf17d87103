/*
question: How close did each trust come to its last critical care bed in the first year of COVID-19?
decision: How much more critical care each trust is funded to open before another winter like it.
owner: National clinical director for critical care, NHS England
geography: trust_2020
# Trusts with acute beds: those of the daily situation reports.
place_codes: [R0A, R0B, R0D, R1F, R1H, R1K, RA2, RA4, RA7, RA9, RAE, RAJ, RAL, RAN, RAP, RAS, RAX, RBD, RBK, RBL, RBN, RBQ,
       RBS, RBT, RBV, RBZ, RC9, RCB, RCD, RCF, RCU, RCX, RD1, RD8, RDE, RDU, REF, REM, REP, RET, RF4, RFF, RFR, RFS,
       RGM, RGN, RGP, RGR, RGT, RH5, RH8, RHM, RHQ, RHU, RHW, RJ1, RJ2, RJ6, RJ7, RJC, RJE, RJL, RJN, RJR, RJZ, RK5,
       RK9, RKB, RKE, RL1, RL4, RLQ, RLT, RM1, RM3, RMC, RMP, RN3, RN5, RN7, RNA, RNN, RNQ, RNS, RNZ, RP4, RP5, RP6,
       RPA, RPC, RPY, RQ3, RQM, RQW, RQX, RR7, RR8, RRF, RRJ, RRK, RRV, RT3, RTD, RTE, RTF, RTG, RTH, RTK, RTP, RTR,
       RTX, RVJ, RVR, RVV, RVW, RVY, RW6, RWA, RWD, RWE, RWF, RWG, RWH, RWJ, RWP, RWW, RWY, RX1, RXC, RXF, RXH, RXK,
       RXL, RXN, RXP, RXQ, RXR, RXW, RYJ, RYR]
grain: month
periods: {start: 2020-01, end: 2021-02}
needs:
  critical_care_beds_open:
    one_of:
      - adult_critical_care_beds_open
      - adult_critical_care_beds_open_thursday
      - adult_critical_care_beds_open_2020
  critical_care_beds_occupied:
    one_of:
      - adult_critical_care_beds_occupied
      - adult_critical_care_beds_occupied_thursday
      - adult_critical_care_beds_occupied_2020
  adult_critical_care_beds_free:
    over_time: min # the day with the fewest free beds; days are published from 2 November 2020
    min_coverage: 0.9
    from: 2020-11
    essential: false
  covid_patients_on_mechanical_ventilation:
    essential: false
  general_acute_beds_available_overnight:
    accept: quarter # published as an average of the nights of a quarter
    essential: false
answer:
  column: fewest_critical_care_beds_free
  order: lowest
  subject: Free critical care beds on the fullest day
  unit: beds
unknowns:
  - ventilators_in_working_order
*/
select
    place_period.place_code,
    place_period.place_name,
    place_period.period_start,
    place_period.period_end,
    critical_care_beds_open.value as critical_care_beds_open,
    critical_care_beds_occupied.value as critical_care_beds_occupied,
    critical_care_beds_open.reference_end as critical_care_beds_at,
    adult_critical_care_beds_free.value as fewest_critical_care_beds_free,
    covid_patients_on_mechanical_ventilation.value as covid_patients_on_mechanical_ventilation,
    general_acute_beds_available_overnight.value as general_acute_beds_available_overnight,
    ventilators_in_working_order.value as ventilators_in_working_order
from trust_2020.place_period
join trust_2020.critical_care_beds_open using (place_code, period_start)
join trust_2020.critical_care_beds_occupied using (place_code, period_start)
join trust_2020.adult_critical_care_beds_free using (place_code, period_start)
join trust_2020.covid_patients_on_mechanical_ventilation using (place_code, period_start)
join trust_2020.general_acute_beds_available_overnight using (place_code, period_start)
join trust_2020.ventilators_in_working_order using (place_code, period_start)
order by place_period.place_code, place_period.period_start
