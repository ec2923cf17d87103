/*
question: Which police force areas have most people who offend again within a year of release, and is it for want of a home or of work?
decision: Where the accommodation and employment services for prison leavers are bought next.
owner: Director of reducing reoffending, HM Prison and Probation Service
geography: pfa_2023
grain: latest
needs:
  reoffending_rate:
    max_age: 3 years
  offenders_in_cohort:
    max_age: 3 years
unknowns:
  - prison_leavers
  - prison_leavers_without_home
  - prison_leavers_in_work
*/
select
    place.place_code,
    place.place_name,
    reoffending_rate.value as reoffending_rate,
    reoffending_rate.reference_end as reoffending_rate_to,
    offenders_in_cohort.value as offenders_in_cohort,
    offenders_in_cohort.reference_end as offenders_in_cohort_to,
    prison_leavers.value as prison_leavers,
    prison_leavers_without_home.value as prison_leavers_without_home,
    prison_leavers_in_work.value as prison_leavers_in_work
from pfa_2023.place
join pfa_2023.reoffending_rate using (place_code)
join pfa_2023.offenders_in_cohort using (place_code)
join pfa_2023.prison_leavers using (place_code)
join pfa_2023.prison_leavers_without_home using (place_code)
join pfa_2023.prison_leavers_in_work using (place_code)
order by place.place_code
