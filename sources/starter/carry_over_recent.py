"""Places of 2025 and 2026 in the starter edition, from later lists than the Code History Database.

Most are compiled or derived, not files of the Office for National Statistics: PROVENANCE.csv names each, and the
declarations mark them. Called by carry_over.py and carry_over_places.py.
"""

import io
from collections.abc import Iterator

import polars as pl
from carrying import Item, Row, csv_bytes, day_after, packed, rows_of

HEADER = ["ENTITYCD", "GEOGCD", "GEOGNM", "GEOGNMW", "PARENTCD", "OPER_DATE", "TERM_DATE", "STATUS"]
ENGLAND, GREATER_LONDON = "E92000001", "E61000001"
LONDON = "E12000007"
ITL_DAY, PARISH_DAY = "2025-01-01", "2022-01-01"
SUCCESSION = "NHS Organisation Data Service: integrated care boards of April 2026"
KINDS = {"merger": "merged", "split": "split", "acquisition": "split", "recode (boundary change)": "moved_land"}


def place(kind: str, code: str, name: str, parent: str, first: str, last: str = "") -> Row:
    """Format a place as a row of the register."""
    result = (kind, code, name.strip(), "", parent, first, last, "terminated" if last else "live")
    return dict(zip(HEADER, result, strict=True))


def with_boards(rows: list[Row], boards: str, successions: str) -> Iterator[Row]:
    """End the boards that others followed in April 2026, and add these."""
    ended = {row["OLD_ICBCD"]: row["EFFECTIVE"] for row in rows_of(successions)}
    started = {row["NEW_ICBCD"]: row["EFFECTIVE"] for row in rows_of(successions)}
    regions = {row["GEOGNM"]: row["GEOGCD"] for row in rows if row["ENTITYCD"] == "E40" and not row["TERM_DATE"]}
    for row in rows:
        if row["GEOGCD"] in ended and not row["TERM_DATE"]:
            yield {**row, "TERM_DATE": day_after(ended[row["GEOGCD"]], -1), "STATUS": "terminated"}
        else:
            yield row
    for row in rows_of(boards):
        if first := started.get(row["ICB26CD"]):
            yield place("E54", row["ICB26CD"], row["ICB26NM"], regions[row["NHSER_NAME"]], first)


def strategic_code(name: str, authorities: list[Row]) -> str:
    """Return the GSS code of a strategic authority, or its statutory instrument where it has none yet: UKSI2026159."""
    row = next(row for row in authorities if row["NAME"] == name)
    return row["GSS_CODE"] or "UK" + row["INSTRUMENT"].replace(" ", "").replace("/", "")


def later_authorities(authorities: str, known: set[str]) -> Iterator[Row]:
    """Return the strategic authorities that the Code History Database lacks, from their establishment on."""
    listed = [row for row in rows_of(authorities) if row["ESTABLISHED"]]
    for row in listed:
        code = strategic_code(row["NAME"], listed)
        if code not in known:
            kind = "strategic_authority" if code == GREATER_LONDON else "combined_authority"
            yield place(kind, code, row["NAME"], LONDON if code == GREATER_LONDON else ENGLAND, row["ESTABLISHED"])


def board_changes(successions: str) -> Iterator[tuple[str, ...]]:
    """Return the successors of integrated care boards in April 2026."""
    for row in rows_of(successions):
        yield row["OLD_ICBCD"], row["NEW_ICBCD"], KINDS[row["TYPE"]], row["EFFECTIVE"], SUCCESSION


def territorial_areas(itl: str, older: list[Row]) -> Iterator[Row]:
    """Return ITL areas of 2025; end those of 2021 that have no code of 2025.

    ITL 2 areas with a new code have no listed name. ITL 1 areas are those of 2021.
    """
    rows = rows_of(itl)
    now = {row["ITL225CD"] for row in rows}
    old = {row["GEOGCD"] for row in older}
    for row in older:
        gone = row["ENTITYCD"] == "itl2" and row["GEOGCD"] not in now
        yield {**row, "TERM_DATE": day_after(ITL_DAY, -1), "STATUS": "terminated"} if gone else row
    for code in sorted(now - old):
        yield place("itl2", code, code, code[:3], ITL_DAY)
    for code, name in sorted({(row["ITL325CD"], row["ITL325NM"]) for row in rows}):
        yield place("itl3", code, name, code[:4], ITL_DAY)


def parishes(text: str) -> bytes:
    """Write the parishes and communities of 2022 with their districts of 2025."""
    rows = (place(row["PARCD"][:3], row["PARCD"], row["PARNM"], row["LAD25CD"], PARISH_DAY) for row in rows_of(text))
    return packed(csv_bytes(HEADER, sorted(rows, key=lambda row: row["GEOGCD"])))


def data_zones(text: str) -> bytes:
    """Write data zones of 2022 with their intermediate zones and councils, and their residents at Census 2022."""
    read = pl.read_csv(io.BytesIO(text.encode()), infer_schema=False)
    table = read.select(
        pl.col("DZ22CD").alias("area_code"), pl.col("DZ22CD").alias("dz_2022"), pl.col("IZ22CD").alias("iz_2022"),
        pl.col("LAD25CD").alias("lad_2025"),
        pl.col("POPULATION_2022").cast(pl.Float64).alias("residents_census_2022__all_ages"),
    )  # fmt: skip
    buffer = io.BytesIO()
    table.sort("area_code").write_parquet(buffer, compression="zstd", compression_level=19, statistics=False)
    return buffer.getvalue()


RECENT = "geo/areas_2025_2026"
BOARDS, SUCCESSIONS = f"{RECENT}/icb_2026-04_en.csv", f"{RECENT}/icb_successions_2026-04-01.csv"
AUTHORITIES, ITL = f"{RECENT}/strategic_authorities_2026-09_en.csv", f"{RECENT}/lad25_lau125_itl25_uk.csv"
AREAS_OF_BOARDS = f"{RECENT}/lsoa21_icb26_lad25_en_derived.csv.gz"
MEMBERS = f"{RECENT}/lad25_strategic_authority_2026-09_en.csv"
RECENT_PLACES = (
    Item("ons_parishes.csv.gz", "2022", parishes, "parishes of England and communities of Wales; unparished areas have "
         "none", (f"{RECENT}/parishes_lad25_ew.csv.gz",)),
    Item("nrs_data_zones.parquet", "2022-03-20", data_zones, "derived: residents summed over output areas",
         ("geo/small_areas_2021_2022/dz22_iz22_lad25_population_scotland.csv.gz",)),
)  # fmt: skip
