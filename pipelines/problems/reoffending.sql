/*
question: Which police force areas have most people who offend again within a year of release, and is it for want of a home or of work?
decision: Where the accommodation and employment services for prison leavers are bought next.
owner: Director of reducing reoffending, HM Prison and Probation Service
geography: pfa_2023
grain: latest
nations: [England, Wales]
needs:
  offenders_in_cohort:
    max_age: 3 years
  offenders_who_reoffended:
    max_age: 3 years
answer:
  column: reoffending_rate
  order: highest
  subject: Rates of adult reoffending within a year
  unit: "%"
unknowns:
  - prison_leavers
  - prison_leavers_without_home
  - prison_leavers_in_work
*/
select
    place.place_code,
    place.place_name,
    offenders_who_reoffended.value as offenders_who_reoffended,
    offenders_who_reoffended.reference_end as offenders_who_reoffended_to,
    offenders_in_cohort.value as offenders_in_cohort,
    offenders_in_cohort.reference_end as offenders_in_cohort_to,
    round(100.0 * offenders_who_reoffended.value / nullif(offenders_in_cohort.value, 0), 1) as reoffending_rate,
    prison_leavers.value as prison_leavers,
    prison_leavers_without_home.value as prison_leavers_without_home,
    prison_leavers_in_work.value as prison_leavers_in_work
from pfa_2023.place
join pfa_2023.offenders_who_reoffended using (place_code)
join pfa_2023.offenders_in_cohort using (place_code)
join pfa_2023.prison_leavers using (place_code)
join pfa_2023.prison_leavers_without_home using (place_code)
join pfa_2023.prison_leavers_in_work using (place_code)
order by place.place_code
