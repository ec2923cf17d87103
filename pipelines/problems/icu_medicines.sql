/*
question: Which hospital trusts drew most on medicines for COVID-19 patients, and where is the remaining stock unknown?
decision: Which trusts get a share of the national reserve first when patients rise, and which trusts to ask for their stock today.
owner: National clinical director for critical care, with the chief pharmaceutical officer, NHS England
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
periods: {start: 2020-04, end: 2020-11}
needs:
  remdesivir_issued:
  tocilizumab_for_infusion_issued:
  sedatives_and_muscle_relaxants_issued:
    essential: false
  covid_patients_on_mechanical_ventilation:
unknowns:
  - intensive_care_medicines_on_hand
*/
select
    place_period.place_code,
    place_period.place_name,
    place_period.period_start,
    place_period.period_end,
    remdesivir_issued.value as remdesivir_issued_mg,
    tocilizumab_for_infusion_issued.value as tocilizumab_for_infusion_issued_mg,
    sedatives_and_muscle_relaxants_issued.value as sedatives_and_muscle_relaxants_issued,
    covid_patients_on_mechanical_ventilation.value as covid_patients_on_mechanical_ventilation,
    covid_patients_on_mechanical_ventilation.reference_end as covid_patients_on_mechanical_ventilation_at,
    intensive_care_medicines_on_hand.value as intensive_care_medicines_on_hand
from trust_2020.place_period
join trust_2020.remdesivir_issued using (place_code, period_start)
join trust_2020.tocilizumab_for_infusion_issued using (place_code, period_start)
join trust_2020.sedatives_and_muscle_relaxants_issued using (place_code, period_start)
join trust_2020.covid_patients_on_mechanical_ventilation using (place_code, period_start)
join trust_2020.intensive_care_medicines_on_hand using (place_code, period_start)
order by place_period.place_code, place_period.period_start
