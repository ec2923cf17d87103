/*
question: Where has the labour market been hit hardest, and where can we not tell?
decision: Which districts get extra work coaches and job brokerage first, and which figures to ask for before deciding.
owner: Director for labour market recovery, Department for Work and Pensions
geography: lad_2023
groups: [south_london, greater_manchester_work]
grain: latest
needs:
  residents_16_64:
    max_age: 5 years
  claimant_rate:
    max_age: 2 years
  households_on_universal_credit:
    max_age: 4 years
  # History: the scheme ran from March 2020 to September 2021.
  furloughed_employments:
    from: 2020-03
    until: 2021-09
  furlough_take_up:
    from: 2020-03
    until: 2021-09
answer:
  column: claimant_rate
  subject: Claimants
  unit: "% of residents aged 16 to 64"
unknowns:
  - vacancies
*/
select
    place.place_code,
    place.place_name,
    place.region,
    place.nation,
    residents_16_64.value as residents_16_64,
    claimant_rate.value as claimant_rate,
    claimant_rate.reference_end as claimant_rate_to,
    households_on_universal_credit.value as households_on_universal_credit,
    households_on_universal_credit.reference_end as households_on_universal_credit_at,
    round(1000 * households_on_universal_credit.value / residents_16_64.value, 1)
        as universal_credit_households_per_1000_residents_16_64,
    furloughed_employments.value as furloughed_employments,
    furlough_take_up.value as furlough_take_up,
    vacancies.value as vacancies
from lad_2023.place
join lad_2023.residents_16_64 using (place_code)
join lad_2023.claimant_rate using (place_code)
join lad_2023.households_on_universal_credit using (place_code)
join lad_2023.furloughed_employments using (place_code)
join lad_2023.furlough_take_up using (place_code)
join lad_2023.vacancies using (place_code)
order by place.place_code
