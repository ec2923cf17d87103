"""The small areas of the starter edition: combined from published lookups and counts, called by carry_over.py.

England and Wales: each combination of an LSOA of 2011, an LSOA of 2021 and a constituency of 2024. Scotland: data
zones of 2011. Northern Ireland: super output areas, cut where two districts of today share one.

How residents are apportioned to the parts of an LSOA. The parts always add to the published figure.

- Mid-2020 residents of an LSOA that was split: as the Census 2021 residents of the LSOAs that it became, each age group
  by the band it lies in (0 to 15, 16 to 64, 65 and over); by all ages where no part has residents of the band.
- The six LSOAs of 2011 with land that went into others (irregular): in proportion to the Census residents of each LSOA
  of 2021 less the mid-2020 residents of the LSOAs that lie wholly in it.
- Census residents of an LSOA that was merged: as the mid-2020 residents of the LSOAs that it was, of the same band.
- Where a constituency cuts an LSOA of 2021: as the Census residents of its output areas, all ages.
- All ages is always the sum of the groups that make it up.
"""

import io
from functools import reduce
from string import ascii_uppercase

import polars as pl
from carry_over_recent import AREAS_OF_BOARDS, AUTHORITIES, ITL, MEMBERS

Frames = dict[str, pl.DataFrame]

GROUPS = {"age_0_4": (0, 4), "age_5_15": (5, 15), "age_16_64": (16, 64), "age_65_plus": (65, 90),
          "age_85_plus": (85, 90)}  # fmt: skip
WHOLE = ("age_0_4", "age_5_15", "age_16_64", "age_65_plus")
BANDS = {"age_0_15": (0, 15), "age_16_24": (16, 24), "age_25_34": (25, 34), "age_35_49": (35, 49),
         "age_50_64": (50, 64), "age_65_plus": (65, 90)}  # fmt: skip
PUBLISHED_BANDS = {"Aged 15 years and under": "age_0_15", "Aged 16 to 24 years": "age_16_24",
                   "Aged 25 to 34 years": "age_25_34", "Aged 35 to 49 years": "age_35_49",
                   "Aged 50 to 64 years": "age_50_64", "Aged 65 years and over": "age_65_plus"}  # fmt: skip
WORKING = ("age_16_24", "age_25_34", "age_35_49", "age_50_64")
BAND_OF = {"age_0_4": "age_0_15", "age_5_15": "age_0_15", "age_16_64": "working", "age_65_plus": "age_65_plus",
           "age_85_plus": "age_65_plus"}  # fmt: skip
MID_2020, CENSUS = "residents_mid_2020", "residents_census_2021"
PLACES = ("lsoa_2011", "lsoa_2021", "msoa_2011", "msoa_2021", "ward_2024", "lad_2014", "lad_2018", "lad_2021",
          "lad_2024", "sub_icb_2022", "icb_2022", "ccg_2021", "stp_2021", "ttwa_2011", "pcon_2024", "health_board_2019",
          "pfa_2024", "csp_2024", "fra_2024", "combined_authority_2023", "itl1_2021", "itl2_2021", "nuts1_2018",
          "nuts2_2018", "nuts3_2018", "icb_2026", "strategic_authority_2026", "itl1_2025", "itl2_2025",
          "itl3_2025")  # fmt: skip
WEIGHTS = (*(f"{MID_2020}__{group}" for group in ("all_ages", *GROUPS)),
           *(f"{CENSUS}__{band}" for band in ("all_ages", *BANDS)))  # fmt: skip

ORIGINS = {
    "change": "geo/lookups/lsoa11_lsoa21_lad22_ew.csv.gz",
    "output_area": "geo/lookups/oa21_lsoa21_msoa21_lad22_pcon24_population_gb.csv.gz",
    "mid_2020": "geo/population/lsoa11_mid2020_syoa_ew.csv.gz",
    "census": "geo/population/lsoa21_census2021_age6_ew.csv.gz",
    "msoa": "geo/lookups/lsoa11_msoa11_ew_scot.csv.gz",
    "ward": "geo/lookups/lsoa21_wd24_lad24_ew.csv.gz",
    "lad": "geo/code_changes/lad22_lad23_uk.csv",
    "icb": "geo/lookups/lsoa11_sicbl22_icb22_lad22_en.csv.gz",
    "ccg": "geo/lookups/lsoa11_ccg21_stp21_lad21_en.csv.gz",
    "ttwa": "geo/lookups/lsoa11_ttwa11_uk.csv.gz",
    "authority": "geo/lookups/lad23_cauth23_en.csv",
    "board": "geo/lookups/ua22_lhb22_wales.csv",
    "police": "geo/lookups/lad24_csp24_pfa24_ew.csv",
    "fire": "geo/lookups/lad24_fra24_ew.csv",
    "history": "geo/code_changes/chd_2024-07_areas.csv.gz",
    "zone": "geo/lookups/dz2011_lookup_scotland.csv.gz",
    "zone_mid_2020": "geo/population/dz11_mid2020_syoa_scotland.csv.gz",
    "ni": "geo/lookups/sa11_soa11_lgd18_ni.csv.gz",
    "old_lad": "geo/lad_registers/lad_2014-12_uk.csv",
    "itl": "geo/lookups/lad23_itl2_2021_uk.csv",
    "nuts": "geo/lookups/lad18_lau1_nuts3_nuts2_nuts1_uk.csv",
    "since": "geo/code_changes/lad16_to_lad24_uk.csv",
    "board_2026": AREAS_OF_BOARDS,
    "members": MEMBERS,
    "strategic": AUTHORITIES,
    "itl_2025": ITL,
    "recoded": "geo/code_changes/la_changes_2018_2025_uk.csv",
}


def small_areas(*texts: str) -> bytes:
    """Write the table of small areas as Parquet, from the texts of ORIGINS in their order."""
    read = {name: _frame(text) for name, text in zip(ORIGINS, texts, strict=True)}
    parts = [_england_and_wales(read), _scotland(read), _northern_ireland(read)]
    placed = _recent(_statistical(_before_mergers(pl.concat(parts, how="diagonal"), read), read), read)
    table = placed.select("area_code", *PLACES, *WEIGHTS).sort("area_code")
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", compression_level=19, statistics=False)
    return buffer.getvalue()


def _frame(text: str) -> pl.DataFrame:
    """Read CSV as text without blank rows."""
    read = pl.read_csv(io.BytesIO(text.encode()), infer_schema=False)
    return read.filter(~pl.all_horizontal(pl.all().is_null()))


def _england_and_wales(read: Frames) -> pl.DataFrame:
    parts = _parts(read)
    mid_2020 = _by_age(read["mid_2020"], "LSOA Code").rename({"code": "lsoa_2011"})
    census = _census(read["census"])
    shared = _shared_out(parts, mid_2020, census)
    return _placed(shared, read).with_columns(_area_code())


def _parts(read: Frames) -> pl.DataFrame:
    """Return each LSOA of 2011, LSOA of 2021 and constituency with common land, and the share of the second there."""
    result = read["change"].rename({"F_LSOA11CD": "lsoa_2011", "LSOA21CD": "lsoa_2021", "LAD22CD": "lad_2022"})
    seats = read["output_area"].select(
        pl.col("lsoa_code").alias("lsoa_2021"), pl.col("msoa_code").alias("msoa_2021"),
        pl.col("constituency_code").alias("pcon_2024"), pl.col("population").cast(pl.Float64).alias("people"),
    )  # fmt: skip
    in_seat = (pl.col("people") / pl.col("people").sum().over("lsoa_2021")).alias("in_seat")
    cut = seats.group_by("lsoa_2021", "msoa_2021", "pcon_2024").agg(pl.col("people").sum()).with_columns(in_seat)
    pairs = result.select("lsoa_2011", "lsoa_2021", "CHGIND", "lad_2022")
    return pairs.join(cut.drop("people"), on="lsoa_2021", how="left")


def _by_age(read: pl.DataFrame, key: str) -> pl.DataFrame:
    """Sum single years of age to the groups and to the bands of the census, one row a code; bands begin with `in_`."""
    years = {int(name.removesuffix("+")): name for name in read.columns if name.removesuffix("+").isdigit()}

    def between(first: int, last: int) -> pl.Expr:
        return pl.sum_horizontal(pl.col(years[age]).cast(pl.Float64) for age in range(first, last + 1))

    groups = [between(*ages).alias(name) for name, ages in GROUPS.items()]
    bands = [between(*ages).alias(f"in_{name}") for name, ages in BANDS.items()]
    return read.select(pl.col(key).alias("code"), *groups, *bands, between(0, 90).alias("in_all"))


def _census(read: pl.DataFrame) -> pl.DataFrame:
    """Return Census 2021 residents of each LSOA of 2021 by band; bands begin with `now_`."""
    band = pl.col("age_group").replace_strict(PUBLISHED_BANDS)
    long = read.select(
        pl.col("lsoa21_code").alias("lsoa_2021"), ("now_" + band).alias("band"), pl.col("usual_residents").cast(float)
    )
    wide = long.pivot("band", index="lsoa_2021", values="usual_residents", maintain_order=True)
    bands = [f"now_{name}" for name in BANDS]
    working = pl.sum_horizontal(f"now_{name}" for name in WORKING).alias("now_working")
    return wide.select("lsoa_2021", *bands, working, pl.sum_horizontal(bands).alias("now_all"))


def _shared_out(parts: pl.DataFrame, mid_2020: pl.DataFrame, census: pl.DataFrame) -> pl.DataFrame:
    """Return each part with its residents of both sets."""
    pairs = parts.select("lsoa_2011", "lsoa_2021", "CHGIND").unique(maintain_order=True)
    pairs = pairs.join(mid_2020, on="lsoa_2011", how="left", validate="m:1")
    pairs = _left(pairs.join(census, on="lsoa_2021", how="left", validate="m:1"))
    old = [_of_old(group).alias(f"{MID_2020}__{group}") for group in GROUPS]
    pairs = pairs.with_columns(old).with_columns(_of_old_all().alias("old"))
    new = [_of_new(band).alias(f"{CENSUS}__{band}") for band in BANDS]
    pairs = pairs.with_columns(new).select("lsoa_2011", "lsoa_2021", f"^({MID_2020}|{CENSUS})__.*$")
    joined = parts.join(pairs, on=["lsoa_2011", "lsoa_2021"], how="left", validate="m:1")
    joined = joined.with_columns(pl.col(f"^({MID_2020}|{CENSUS})__.*$") * pl.col("in_seat"))
    return joined.with_columns(_all_ages(MID_2020, WHOLE), _all_ages(CENSUS, tuple(BANDS)))


def _all_ages(name: str, groups: tuple[str, ...]) -> pl.Expr:
    return pl.sum_horizontal(f"{name}__{group}" for group in groups).alias(f"{name}__all_ages")


def _left(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return the residents of each LSOA of 2021 less those of the LSOAs of 2011 that lie wholly in it."""
    pairs = pairs.with_columns((pl.len().over("lsoa_2011") == 1).alias("alone"))
    within = pl.when("alone").then("in_all").otherwise(0.0).sum().over("lsoa_2021")
    return pairs.with_columns((pl.col("now_all") - within).clip(0.0).alias("left"))


def _share(by: str, within: str, otherwise: str) -> pl.Expr:
    """Return the share of a pair among those of one LSOA, by one quantity, or by another where the first is 0."""
    first, second = (pl.col(name) / pl.col(name).sum().over(within) for name in (by, otherwise))
    return pl.when(pl.col(by).sum().over(within) > 0).then(first).otherwise(second)


def _of_old(group: str) -> pl.Expr:
    """Return a pair's part of the mid-2020 residents of its LSOA of 2011."""
    split = _share(f"now_{BAND_OF[group]}", "lsoa_2011", "now_all")
    irregular = _share("left", "lsoa_2011", "now_all")
    share = pl.when(CHGIND="X").then(irregular).when(CHGIND="S").then(split).otherwise(1.0)
    return pl.col(group) * share


def _of_old_all() -> pl.Expr:
    return pl.sum_horizontal(f"{MID_2020}__{group}" for group in WHOLE)


def _of_new(band: str) -> pl.Expr:
    """Return a pair's part of the Census residents of its LSOA of 2021."""
    merged = _share(f"in_{band}", "lsoa_2021", "in_all")
    irregular = _share("old", "lsoa_2021", "in_all")
    share = pl.when(CHGIND="X").then(irregular).when(CHGIND="M").then(merged).otherwise(1.0)
    return pl.col(f"now_{band}") * share


def _area_code() -> pl.Expr:
    """Join the codes that identify an area; the constituency only where it splits the LSOA."""
    same = pl.col("lsoa_2011") == pl.col("lsoa_2021")
    cut = pl.col("pcon_2024").n_unique().over("lsoa_2021") > 1
    codes = (pl.col("lsoa_2011"), pl.when(~same).then("lsoa_2021"), pl.when(cut).then("pcon_2024"))
    return pl.concat_str(*codes, separator="+", ignore_nulls=True).alias("area_code")


def _placed(areas: pl.DataFrame, read: Frames) -> pl.DataFrame:
    """Return each area of England and Wales with its larger places.

    Districts are those of the LSOA of 2021, which lies in one exactly (2021 and 2022 are the same districts). The
    lookup of wards names others for a best-fit ward across a border, and the lookup of LSOAs of 2011 for one LSOA in
    Gwynedd.
    """
    lookups = (
        ("lsoa_2011", read["msoa"], {"LSOA11CD": "lsoa_2011", "MSOA11CD": "msoa_2011"}),
        ("lsoa_2011", read["ttwa"], {"LSOA11CD": "lsoa_2011", "TTWA11CD": "ttwa_2011"}),
        ("lsoa_2011", read["icb"], {"LSOA11CD": "lsoa_2011", "SICBL22CD": "sub_icb_2022", "ICB22CD": "icb_2022"}),
        ("lsoa_2011", read["ccg"], {"LSOA11CD": "lsoa_2011", "CCG21CD": "ccg_2021", "STP21CD": "stp_2021"}),
        ("lsoa_2021", read["ward"], {"LSOA21CD": "lsoa_2021", "WD24CD": "ward_2024"}),
        ("lad_2022", read["lad"], {"LAD22CD": "lad_2022", "LAD23CD": "lad_2024"}),
        ("lad_2024", read["police"], {"LAD24CD": "lad_2024", "PFA24CD": "pfa_2024"}),
        ("lad_2024", read["fire"], {"LAD24CD": "lad_2024", "FRA24CD": "fra_2024"}),
        ("lad_2024", read["authority"], {"LAD23CD": "lad_2024", "CAUTH23CD": "combined_authority_2023"}),
        ("lad_2024", read["board"], {"UA22CD": "lad_2024", "LHB22CD": "health_board_2019"}),
    )
    joined = reduce(_looked_up, lookups, areas)
    return joined.with_columns(pl.col("lad_2022").alias("lad_2021"))


def _looked_up(areas: pl.DataFrame, lookup: tuple[str, pl.DataFrame, dict[str, str]]) -> pl.DataFrame:
    key, read, names = lookup
    result = read.select(pl.col(published).alias(name) for published, name in names.items()).unique()
    return areas.join(result, on=key, how="left", validate="m:1")


def _scotland(read: Frames) -> pl.DataFrame:
    """Return the data zones of 2011; no lookup links them to constituencies of 2024 or areas of 2021."""
    columns = {"lsoa_2011": "DZ2011_Code", "msoa_2011": "IZ2011_Code", "lad_2021": "LA_Code", "lad_2024": "LA_Code",
               "ttwa_2011": "TTWA2011_Code", "health_board_2019": "HB_Code"}  # fmt: skip
    zones = read["zone"].select(pl.col(published).alias(name) for name, published in columns.items())
    mid_2020 = _by_age(read["zone_mid_2020"], "DataZone").rename({group: f"{MID_2020}__{group}" for group in GROUPS})
    people = mid_2020.select(pl.col("code").alias("lsoa_2011"), f"^{MID_2020}__.*$")
    joined = zones.join(people, on="lsoa_2011", how="left", validate="1:1").with_columns(_all_ages(MID_2020, WHOLE))
    return joined.with_columns(pl.col("lsoa_2011").alias("area_code"), *_one_for_all(read["history"], "S23", "S38"))


def _northern_ireland(read: Frames) -> pl.DataFrame:
    """Give super output areas, cut where present districts share one; no count of their residents is available."""
    soas = read["ni"].select(pl.col("LSOA11CD").alias("lsoa_2011"), pl.col("LAD18CD").alias("lad_2021")).unique()
    cut = pl.col("lad_2021").n_unique().over("lsoa_2011") > 1
    code = pl.concat_str("lsoa_2011", pl.when(cut).then("lad_2021"), separator="+", ignore_nulls=True)
    # Codes of small areas have separate letters for the 26 districts, in order of name: 95AA is in Antrim, 95T.
    ordered = read["old_lad"].filter(pl.col("LAD14CD").str.starts_with("95")).sort("LAD14NM")["LAD14CD"]
    letters = {f"95{letter}": code for letter, code in zip(ascii_uppercase, ordered, strict=True)}
    old = pl.col("lsoa_2011").str.slice(0, 3).replace_strict(letters)
    joined = soas.with_columns(
        code.alias("area_code"),
        pl.col("lad_2021").alias("lad_2024"),
        old.alias("lad_2014"),
    )
    ttwa = ("lsoa_2011", read["ttwa"], {"LSOA11CD": "lsoa_2011", "TTWA11CD": "ttwa_2011"})
    return _looked_up(joined, ttwa).with_columns(_one_for_all(read["history"], "N23", "N31"))


def _before_mergers(areas: pl.DataFrame, read: Frames) -> pl.DataFrame:
    """Return the district of 2018 that became the district of 2021; of several, the district in the LSOA's name.

    An LSOA of 2011 is named after the district of that day. These names give the same districts of 2021 as the
    lookup of LSOAs. Three LSOAs are exceptions: their land changed district in 2012 and 2013, and none merged later.
    """
    became = (
        read["since"]
        .select(
            pl.col("LAD21CD").alias("lad_2021"), pl.col("LAD18CD").alias("lad_2018"), pl.col("LAD18NM").alias("stem")
        )
        .unique()
    )
    several = pl.len().over("lad_2021") > 1
    alone = became.filter(~several).drop("stem")
    stem = pl.col("LSOA11NM").str.replace(r" [0-9]{3}[A-Z]$", "").alias("stem")
    named = read["msoa"].select(pl.col("LSOA11CD").alias("lsoa_2011"), stem).unique()
    joined = areas.join(alone, on="lad_2021", how="left").join(named, on="lsoa_2011", how="left", validate="m:1")
    among = became.filter(several).rename({"lad_2018": "one_of"})
    result = joined.join(among, on=["lad_2021", "stem"], how="left", validate="m:1")
    return result.with_columns(pl.coalesce("lad_2018", "one_of").alias("lad_2018")).drop("stem", "one_of")


def _statistical(areas: pl.DataFrame, read: Frames) -> pl.DataFrame:
    """Return statistical and safety areas that contain the whole of an area's district; none where several do.

    Districts are those of 2023 for ITL, and for NUTS those that all districts of 2018 became by 2021. An ITL 2 area
    lies in the ITL 1 area with which its code begins.
    """
    district, code = pl.col("gss_code").alias("lad_2024"), pl.col("RGNCD")
    itl = read["itl"].select(district, code.str.head(3).alias("itl1_2021"), code.alias("itl2_2021"))
    since = read["since"].select("LAD18CD", pl.col("LAD21CD").alias("lad_2021"))
    levels = [pl.col(f"NUTS{level}18CD").alias(f"nuts{level}_2018") for level in (1, 2, 3)]
    nuts = since.join(read["nuts"], on="LAD18CD").select("lad_2021", *levels)
    safety = read["police"].select(pl.col("LAD24CD").alias("lad_2024"), pl.col("CSP24CD").alias("csp_2024"))
    for key, result in (("lad_2024", itl), ("lad_2024", safety), ("lad_2021", nuts)):
        for name in result.drop(key).columns:
            one = result.select(key, name).unique().filter(pl.len().over(key) == 1)
            areas = areas.join(one, on=key, how="left", validate="m:1")
    return areas


def _recent(areas: pl.DataFrame, read: Frames) -> pl.DataFrame:
    """Return the board of April 2026, the strategic authority of 2026 and the ITL areas of 2025 of each area.

    Districts of 2025 are those of 2024, two of them with a new code. A district in two ITL 3 areas has none.
    """
    new_codes = read["recoded"].filter(type="new_code", start="2025").select("newcd", "oldcd")
    recoded = dict(new_codes.iter_rows())
    district = pl.col("LAD25CD").replace(recoded).alias("lad_2024")
    levels = [pl.col(f"ITL{level}25CD").alias(f"itl{level}_2025") for level in (1, 2, 3)]
    itl = read["itl_2025"].select(district, *levels)
    # An authority without a GSS code has its statutory instrument as code.
    instrument = pl.lit("UK") + pl.col("INSTRUMENT").str.replace_all("[ /]", "")
    codes = (
        read["strategic"]
        .drop_nulls("ESTABLISHED")
        .select(
            pl.col("NAME").alias("STRATEGIC_AUTHORITY"),
            pl.coalesce("GSS_CODE", instrument).alias("strategic_authority_2026"),
        )
    )
    members = read["members"].join(codes, on="STRATEGIC_AUTHORITY").select(district, "strategic_authority_2026")
    boards = read["board_2026"].select(pl.col("LSOA21CD").alias("lsoa_2021"), pl.col("ICB26CD").alias("icb_2026"))
    for key, result in (("lad_2024", itl), ("lad_2024", members), ("lsoa_2021", boards)):
        for name in result.drop(key).columns:
            one = result.select(key, name).unique().filter(pl.len().over(key) == 1)
            areas = areas.join(one, on=key, how="left", validate="m:1")
    return areas


def _one_for_all(history: pl.DataFrame, police: str, fire: str) -> list[pl.Expr]:
    """Return the only police force and the only fire service of a nation."""
    named = (("pfa_2024", police), ("fra_2024", fire))
    live = history.filter(pl.col("TERM_DATE").is_null())
    # item() raises an error unless there is exactly one.
    return [pl.lit(live.filter(ENTITYCD=kind)["GEOGCD"].unique().item()).alias(name) for name, kind in named]
