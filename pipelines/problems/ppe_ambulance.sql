/*
question: Which ambulance trusts may run out of protective equipment, given how many incidents they go out to?
decision: Which ambulance trusts are sent masks, gowns and gloves first, and who is asked to count stock.
owner: Minister of state for health, with the National Ambulance Resilience Unit
geography: trust_2020
place_codes: [RX9, RYC, R1F, RRU, RX6, RX7, RYE, RYD, RYF, RYA, RX8] # the ten ambulance trusts, and the Isle of Wight trust
grain: month
periods: {start: 2020-12, end: 2021-04}
needs:
  category_1_incidents:
  category_1_response_hours:
  category_2_incidents:
  category_2_response_hours:
  category_3_incidents:
  category_4_incidents:
unknowns:
  - ppe_on_hand_by_ambulance_trust
  - ppe_items_delivered_to_ambulance_trust
*/
select
    place_period.place_code,
    place_period.place_name,
    place_period.period_start,
    place_period.period_end,
    category_1_incidents.value + category_2_incidents.value + category_3_incidents.value + category_4_incidents.value
        as incidents,
    category_1_incidents.value as category_1_incidents,
    round(60 * category_1_response_hours.value / category_1_incidents.value, 1) as category_1_mean_minutes,
    category_2_incidents.value as category_2_incidents,
    round(60 * category_2_response_hours.value / category_2_incidents.value, 1) as category_2_mean_minutes,
    ppe_on_hand_by_ambulance_trust.value as ppe_on_hand_by_ambulance_trust,
    ppe_items_delivered_to_ambulance_trust.value as ppe_items_delivered_to_ambulance_trust
from trust_2020.place_period
join trust_2020.category_1_incidents using (place_code, period_start)
join trust_2020.category_1_response_hours using (place_code, period_start)
join trust_2020.category_2_incidents using (place_code, period_start)
join trust_2020.category_2_response_hours using (place_code, period_start)
join trust_2020.category_3_incidents using (place_code, period_start)
join trust_2020.category_4_incidents using (place_code, period_start)
join trust_2020.ppe_on_hand_by_ambulance_trust using (place_code, period_start)
join trust_2020.ppe_items_delivered_to_ambulance_trust using (place_code, period_start)
order by place_period.place_code, place_period.period_start
