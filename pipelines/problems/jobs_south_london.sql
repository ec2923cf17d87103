/*
question: How did claims rise and fall month by month across our seven boroughs, and which months can we not see?
decision: How many job brokers each borough funds from the shared programme, reviewed each quarter.
owner: Programme lead, South London job brokerage
geography: lad_2023
place_codes: [E09000024, E09000029, E09000021, E09000008, E09000032, E09000022, E09000027]
groups: [south_london]
grain: month
periods: {start: 2020-03, end: 2023-12}
needs:
  residents_16_64:
    carry: 2 years # estimates of 30 June; they move by some 1 % a year and come out 15 months later
  claimant_rate:
  households_on_universal_credit:
  furloughed_employments:
    from: 2020-03 # the scheme ran from March 2020 to September 2021
    until: 2021-09
  furlough_take_up:
    from: 2020-03
    until: 2021-09
    accept: half_year # published for March to July 2020 together
partners:
  - role: Lead for employment in each of the seven boroughs
    brings: the money for its share of the job brokers
answer:
  column: households_on_universal_credit
  subject: Households on Universal Credit
unknowns:
  - vacancies
*/
select
    place_period.place_code,
    place_period.place_name,
    place_period.period_start,
    place_period.period_end,
    residents_16_64.value as residents_16_64,
    claimant_rate.value as claimant_rate,
    claimant_rate.reference_end as claimant_rate_to,
    households_on_universal_credit.value as households_on_universal_credit,
    round(1000 * households_on_universal_credit.value / residents_16_64.value, 1)
        as universal_credit_households_per_1000_residents_16_64,
    furloughed_employments.value as furloughed_employments,
    furlough_take_up.value as furlough_take_up,
    vacancies.value as vacancies
from lad_2023.place_period
join lad_2023.residents_16_64 using (place_code, period_start)
join lad_2023.claimant_rate using (place_code, period_start)
join lad_2023.households_on_universal_credit using (place_code, period_start)
join lad_2023.furloughed_employments using (place_code, period_start)
join lad_2023.furlough_take_up using (place_code, period_start)
join lad_2023.vacancies using (place_code, period_start)
order by place_period.place_code, place_period.period_start
