/*
question: Where did cases of COVID-19 rise month by month, were enough people tested there, and where can we not tell?
decision: Where test sites and mobile units go first, and which councils get figures of tests at all.
owner: Director of public health, with NHS Test and Trace
geography: utla_2019 # the councils of the files; Buckinghamshire was a county until 31 March 2020, on the same land
nations: [England]
grain: month
periods: {start: 2020-03, end: 2020-09}
needs:
  cases_by_month_of_specimen:
  cases_so_far_pillar_1:
    essential: false
  people_tested_by_council:
    essential: false
unknowns:
  - pillar_2_tests_by_council
*/
select
    place_period.place_code,
    place_period.place_name,
    place_period.region,
    place_period.nation,
    place_period.period_start,
    place_period.period_end,
    cases_by_month_of_specimen.value as cases_by_month_of_specimen,
    cases_so_far_pillar_1.value as cases_so_far_pillar_1,
    cases_so_far_pillar_1.reference_end as cases_so_far_pillar_1_at,
    people_tested_by_council.value as people_tested_by_council,
    pillar_2_tests_by_council.value as pillar_2_tests_by_council
from utla_2019.place_period
join utla_2019.cases_by_month_of_specimen using (place_code, period_start)
join utla_2019.cases_so_far_pillar_1 using (place_code, period_start)
join utla_2019.people_tested_by_council using (place_code, period_start)
join utla_2019.pillar_2_tests_by_council using (place_code, period_start)
order by place_period.place_code, place_period.period_start
