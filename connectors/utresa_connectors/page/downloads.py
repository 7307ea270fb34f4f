"""What is on screen as a file: CSV, JSON, Parquet and SDMX-CSV, each by its library's writer."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet

from utresa_connectors.page.view import Column, Sheet

AGENCY = "UTRESA"
VERSION = "1.0"
# SDMX's own names of what every data set has, and its code list of observation statuses (CL_OBS_STATUS).
SDMX_NAMES = {"year": "TIME_PERIOD", "value": "OBS_VALUE", "status": "OBS_STATUS"}
SDMX_STATUSES = {"running": "P", "provisional": "P", "final": "A"}


class Form(NamedTuple):
    """A form of download: its media type, how its file name ends, and what writes it."""

    media_type: str
    suffix: str
    write: Callable[[Sheet], bytes]


def _csv(sheet: Sheet) -> bytes:
    """RFC 4180: comma, CRLF, UTF-8; an empty field where there is no value."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(column.name for column in sheet.columns)
    writer.writerows(sheet.rows)
    return text.getvalue().encode()


def _json(sheet: Sheet) -> bytes:
    """An array of objects, one a row."""
    names = [column.name for column in sheet.columns]
    rows = [dict(zip(names, row, strict=True)) for row in sheet.rows]
    return json.dumps(rows, ensure_ascii=False, indent=1).encode()


def _parquet(sheet: Sheet) -> bytes:
    columns = {
        column.name: pyarrow.array([row[place] for row in sheet.rows], _arrow_type(sheet, place))
        for place, column in enumerate(sheet.columns)
    }
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def _arrow_type(sheet: Sheet, place: int) -> Any:
    """Whole numbers as such; with a mean among them all are of floating point; everything else is text."""
    kinds = {type(row[place]) for row in sheet.rows} - {type(None)}
    if kinds and kinds <= {int}:
        return pyarrow.int64()
    return pyarrow.float64() if kinds and kinds <= {int, float} else pyarrow.string()


def _sdmx_csv(sheet: Sheet) -> bytes:
    """SDMX-CSV 2.0: dimensions, the observation, its attributes. pysdmx takes half a second to load: it waits here."""
    import pandas
    from pysdmx.io.csv.sdmx20.writer import write
    from pysdmx.io.pd import PandasDataset
    from pysdmx.model import Schema
    from pysdmx.model.dataflow import Components

    schema = Schema(
        context="datastructure",
        agency=AGENCY,
        id=_sdmx_name(sheet.name),
        version=VERSION,
        components=Components([_component(column) for column in sheet.columns]),
    )
    data = pandas.DataFrame(
        [[_sdmx_value(column, value) for column, value in zip(sheet.columns, row, strict=True)] for row in sheet.rows],
        columns=[_sdmx_name(column.name) for column in sheet.columns],
        dtype="string",
    )
    text = write([PandasDataset(structure=schema, data=data)])
    assert text is not None
    return text.encode()


def _component(column: Column) -> Any:
    from pysdmx.model import Concept
    from pysdmx.model.dataflow import Component, Role

    roles = {"dimension": Role.DIMENSION, "measure": Role.MEASURE, "attribute": Role.ATTRIBUTE}
    name = _sdmx_name(column.name)
    return Component(
        id=name,
        required=column.role == "dimension",
        role=roles[column.role],
        concept=Concept(id=name, name=column.name),
        attachment_level="O" if column.role == "attribute" else None,
    )


def _sdmx_name(name: str) -> str:
    return SDMX_NAMES.get(name, name.upper().replace("-", "_"))


def _sdmx_value(column: Column, value: Any) -> str | None:
    if value is None:
        return None
    return SDMX_STATUSES.get(value, str(value)) if column.name == "status" else str(value)


FORMS: Mapping[str, Form] = {
    "csv": Form("text/csv; charset=utf-8", "csv", _csv),
    "json": Form("application/json", "json", _json),
    "parquet": Form("application/vnd.apache.parquet", "parquet", _parquet),
    "sdmx-csv": Form("application/vnd.sdmx.data+csv; version=2.0.0; charset=utf-8", "sdmx.csv", _sdmx_csv),
}


def has_observations(sheet: Sheet) -> bool:
    """Whether the sheet is a data set: SDMX-CSV has nowhere to put one that is only text."""
    return any(column.role == "measure" for column in sheet.columns)
