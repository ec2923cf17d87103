/*
question: How fast do carbon emissions fall in each council area, in homes and on roads, and what do councils emit themselves?
decision: Which areas get help with heat pumps and buses first, and which councils are asked to account for their own emissions.
owner: Director for local net zero, Department for Energy Security and Net Zero
geography: lad_2023
grain: year
periods: {start: "2016", end: "2023"}
needs:
  co2_emissions:
  co2_emissions_domestic:
  co2_emissions_transport:
  ghg_emissions_per_head:
unknowns:
  - council_own_emissions
*/
select
    place_period.place_code,
    place_period.place_name,
    place_period.region,
    place_period.nation,
    place_period.period_start,
    place_period.period_end,
    co2_emissions.value as co2_emissions,
    co2_emissions_domestic.value as co2_emissions_domestic,
    co2_emissions_transport.value as co2_emissions_transport,
    ghg_emissions_per_head.value as ghg_emissions_per_head,
    council_own_emissions.value as council_own_emissions
from lad_2023.place_period
join lad_2023.co2_emissions using (place_code, period_start)
join lad_2023.co2_emissions_domestic using (place_code, period_start)
join lad_2023.co2_emissions_transport using (place_code, period_start)
join lad_2023.ghg_emissions_per_head using (place_code, period_start)
join lad_2023.council_own_emissions using (place_code, period_start)
order by place_period.place_code, place_period.period_start
