/*
question: Which town centres lose shops and visitors, and where is this unknown?
decision: Which places are offered a high street rental auction or a town deal next, and which figures to buy or ask for.
owner: Director for towns and high streets, Ministry of Housing, Communities and Local Government
geography: lad_2023
grain: latest
needs:
  active_businesses:
    max_age: 3 years
  business_birth_rate:
    max_age: 3 years
  business_death_rate:
    max_age: 3 years
  town_centre_footfall:
    max_age: 2 years
    essential: false
  business_rates_publication_score:
    max_age: 3 years
    nations: [England, Wales, Scotland]
    essential: false
answer:
  column: business_death_rate
unknowns:
  - shop_units
  - vacant_shop_units
  - town_centre_visits
*/
select
    place.place_code,
    place.place_name,
    place.region,
    place.nation,
    active_businesses.value as active_businesses,
    active_businesses.reference_end as active_businesses_to,
    business_birth_rate.value as business_birth_rate,
    business_birth_rate.reference_end as business_birth_rate_to,
    business_death_rate.value as business_death_rate,
    business_death_rate.reference_end as business_death_rate_to,
    town_centre_footfall.value as town_centre_footfall,
    town_centre_footfall.reference_end as town_centre_footfall_to,
    business_rates_publication_score.value as business_rates_publication_score,
    business_rates_publication_score.reference_end as business_rates_publication_score_at,
    shop_units.value as shop_units,
    vacant_shop_units.value as vacant_shop_units,
    town_centre_visits.value as town_centre_visits
from lad_2023.place
join lad_2023.active_businesses using (place_code)
join lad_2023.business_birth_rate using (place_code)
join lad_2023.business_death_rate using (place_code)
join lad_2023.town_centre_footfall using (place_code)
join lad_2023.business_rates_publication_score using (place_code)
join lad_2023.shop_units using (place_code)
join lad_2023.vacant_shop_units using (place_code)
join lad_2023.town_centre_visits using (place_code)
order by place.place_code
