/*
question: Which trusts have critical care beds and ventilators to spare, and where can we not tell?
decision: Where ventilators in the national store are sent, and which trusts take patients from others.
owner: Minister of state for health, with NHS England's director of operations
geography: trust_2022
# Trusts with acute beds: those of the daily situation reports.
place_codes: [R0A, R0B, R0D, R1F, R1H, R1K, RA2, RA7, RA9, RAE, RAJ, RAL, RAN, RAS, RAX, RBD, RBK, RBL, RBN, RBQ, RBS, RBT,
       RBV, RC9, RCB, RCD, RCF, RCU, RCX, RD1, RD8, RDE, RDU, REF, REM, REN, REP, RET, RF4, RFF, RFR, RFS, RGM, RGN,
       RGP, RGR, RGT, RH5, RH8, RHM, RHQ, RHU, RHW, RJ1, RJ2, RJ6, RJ7, RJC, RJE, RJL, RJN, RJR, RJZ, RK5, RK9, RKB,
       RKE, RL1, RL4, RLQ, RLT, RM1, RM3, RMC, RMP, RN3, RN5, RN7, RNA, RNN, RNQ, RNS, RNZ, RP4, RP5, RP6, RPA, RPC,
       RPY, RQ3, RQM, RQW, RQX, RR7, RR8, RRF, RRJ, RRK, RRV, RTD, RTE, RTF, RTG, RTH, RTK, RTP, RTR, RTX, RVJ, RVR,
       RVV, RVW, RWA, RWD, RWE, RWF, RWG, RWH, RWJ, RWP, RWW, RWY, RX1, RXC, RXF, RXK, RXL, RXN, RXP, RXQ, RXR, RXW,
       RYJ, RYR]
grain: latest
needs:
  adult_critical_care_beds_available_month:
    max_age: 2 years
  adult_critical_care_beds_occupied_month:
    max_age: 2 years
  paediatric_intensive_care_beds_available_month:
    max_age: 2 years
  paediatric_intensive_care_beds_occupied_month:
    max_age: 2 years
unknowns:
  - ventilators_in_working_order
  - ventilated_patients_staffed_for
*/
select
    place.place_code,
    place.place_name,
    adult_critical_care_beds_available_month.value as adult_critical_care_beds_available,
    adult_critical_care_beds_available_month.reference_end as in_the_month_to,
    adult_critical_care_beds_occupied_month.value as adult_critical_care_beds_occupied,
    adult_critical_care_beds_available_month.value - adult_critical_care_beds_occupied_month.value
        as adult_critical_care_beds_free,
    paediatric_intensive_care_beds_available_month.value as paediatric_intensive_care_beds_available,
    paediatric_intensive_care_beds_occupied_month.value as paediatric_intensive_care_beds_occupied,
    ventilators_in_working_order.value as ventilators_in_working_order,
    ventilated_patients_staffed_for.value as ventilated_patients_staffed_for
from trust_2022.place
join trust_2022.adult_critical_care_beds_available_month using (place_code)
join trust_2022.adult_critical_care_beds_occupied_month using (place_code)
join trust_2022.paediatric_intensive_care_beds_available_month using (place_code)
join trust_2022.paediatric_intensive_care_beds_occupied_month using (place_code)
join trust_2022.ventilators_in_working_order using (place_code)
join trust_2022.ventilated_patients_staffed_for using (place_code)
order by place.place_code
