/*
question: Where do deaths from drug poisoning rise while treatment may not keep up, and where can we not tell?
decision: Which public health teams get extra money for treatment places and naloxone, and which figures to ask for.
owner: Director of public health (drug and alcohol partnership), with the Office for Health Improvement and Disparities
geography: utla_2023
nations: [England, Wales]
grain: year
periods: {start: "2016", end: "2024"}
needs:
  deaths_from_drug_poisoning:
  people_in_drug_treatment:
    nations: [England]
    essential: false
partners:
  - role: Lead for alcohol and drugs, Office for Health Improvement and Disparities
    brings: figures of adults in treatment, from its National Drug Treatment Monitoring System
    bodies: [Office for Health Improvement and Disparities (National Drug Treatment Monitoring System)]
unknowns:
  - people_waiting_for_drug_treatment
  - naloxone_kits_supplied
*/
select
    place_period.place_code,
    place_period.place_name,
    place_period.region,
    place_period.nation,
    place_period.period_start,
    place_period.period_end,
    deaths_from_drug_poisoning.value as deaths_from_drug_poisoning,
    people_in_drug_treatment.value as people_in_drug_treatment,
    people_waiting_for_drug_treatment.value as people_waiting_for_drug_treatment,
    naloxone_kits_supplied.value as naloxone_kits_supplied
from utla_2023.place_period
join utla_2023.deaths_from_drug_poisoning using (place_code, period_start)
join utla_2023.people_in_drug_treatment using (place_code, period_start)
join utla_2023.people_waiting_for_drug_treatment using (place_code, period_start)
join utla_2023.naloxone_kits_supplied using (place_code, period_start)
order by place_period.place_code, place_period.period_start
