/*
question: Where are more people in need of food than food banks and volunteers can reach, and where can we not tell?
decision: Which food hubs get stock and drivers first, and which hubs are asked to report.
owner: Head of community resilience, Greater Manchester Combined Authority
decision_date: 2020-12-31
geography: lad_2023
place_codes: [E08000001, E08000002, E08000003, E08000004, E08000005, E08000006, E08000007, E08000008, E08000009, E08000010]
grain: latest
needs:
  children_in_poverty_before_housing_share:
    max_age: 3 years
    essential: false
  shielded_patients:
  food_banks_listed:
  food_providers_listed:
    place_codes: [E08000009] # the list is of Trafford
    essential: false
unknowns:
  - food_parcels_given
  - food_stock_days
  - volunteers_registered
  - volunteers_placed
*/
select
    place.place_code,
    place.place_name,
    place.region,
    place.nation,
    children_in_poverty_before_housing_share.value as children_in_poverty_before_housing_share,
    children_in_poverty_before_housing_share.reference_end as children_in_poverty_before_housing_share_to,
    shielded_patients.value as shielded_patients,
    shielded_patients.reference_end as shielded_patients_at,
    food_banks_listed.value as food_banks_listed,
    food_banks_listed.reference_end as food_banks_listed_to,
    food_providers_listed.value as food_providers_listed,
    food_providers_listed.reference_end as food_providers_listed_to,
    food_parcels_given.value as food_parcels_given,
    food_stock_days.value as food_stock_days,
    volunteers_registered.value as volunteers_registered,
    volunteers_placed.value as volunteers_placed
from lad_2023.place
join lad_2023.children_in_poverty_before_housing_share using (place_code)
join lad_2023.shielded_patients using (place_code)
join lad_2023.food_banks_listed using (place_code)
join lad_2023.food_providers_listed using (place_code)
join lad_2023.food_parcels_given using (place_code)
join lad_2023.food_stock_days using (place_code)
join lad_2023.volunteers_registered using (place_code)
join lad_2023.volunteers_placed using (place_code)
order by place.place_code
