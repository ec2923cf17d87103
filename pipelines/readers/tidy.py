"""The `tidy()` function of a source, for files that a declaration can't describe."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import cast

import polars as pl

from pipelines.core.errors import UnreadableError
from pipelines.readers.header import Sheet


def tidy_sheet(sheet: Sheet, tidy: Path) -> Sheet:
    """Reshape a file with the source's tidy(), where it has one."""
    if not tidy.is_file():
        return sheet
    spec = importlib.util.spec_from_file_location(f"sources_{tidy.stem}", tidy)
    if spec is None or spec.loader is None:
        raise UnreadableError(f"{tidy}: can't be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    reshape = cast(Callable[[pl.DataFrame], pl.DataFrame], module.tidy)
    try:
        # A blank cell is "": tidy() may return null for a file of another shape.
        return sheet._replace(frame=reshape(sheet.frame).with_columns(pl.col(pl.String).fill_null("")))
    except (pl.exceptions.PolarsError, KeyError, ValueError) as error:
        raise UnreadableError(
            f"{sheet.file}: {tidy.name} could not reshape it ({error}); the publisher may have changed the layout"
        ) from error
