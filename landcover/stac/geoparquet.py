"""Writing STAC items as stac-geoparquet, sorted so that the rows of a place are read fast.

rustac converts items to columns; PyArrow joins its chunks into one file of small row groups.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import rustac

from landcover.core import files

__all__ = ["CHUNK", "MAGIC", "PART", "ROW_GROUP", "Item", "write"]

MAGIC: Final = b"PAR1"
CHUNK: Final = 2_000
"""Items converted to columns at a time: some 80 MB of Python objects."""
ROW_GROUP: Final = 500
"""Rows that are decoded together; a search reads the groups that contain its results."""
PART: Final = 20_000
"""Rows that are sorted together."""
_PLACE: Final = "landcover:place"

Item = dict[str, Any]


def write(items: Iterable[Item], out: Path, tick: Callable[[int], None]) -> int:
    """Write items to a stac-geoparquet file; on failure nothing is written.

    Args:
        items: STAC items; any number, because only some thousand are in memory at a time.
        out: the file; an existing one is replaced.
        tick: called with the number of items so far; an exception in it stops the writing.

    Returns:
        The number of items; if it is 0, nothing is written.

    Raises:
        BadInput: the file cannot be written.
    """
    with files.scratch() as folder:
        chunks = list(_chunks(iter(items), folder, tick))
        count = sum(rows for _, rows in chunks)
        if count:
            with files.replacing(out) as partial:
                _join([path for path, _ in chunks], partial, lambda: tick(count))
    return count


def _chunks(
    items: Iterator[Item], folder: Path, tick: Callable[[int], None]
) -> Iterator[tuple[Path, int]]:
    count = 0
    while chunk := list(islice(items, CHUNK)):
        path = folder / f"{count}.parquet"
        rustac.write_sync(str(path), chunk, parquet_compression="snappy")
        count += len(chunk)
        tick(count)
        yield path, len(chunk)


def _join(chunks: list[Path], out: Path, tick: Callable[[], None]) -> None:
    """Join files with different columns into one, sorted by place."""
    nothing = [pq.read_schema(path).empty_table() for path in chunks]
    # Chunks have columns and assets only for their own items: the others become null.
    schema = pa.concat_tables(nothing, promote_options="permissive").schema
    order = _order([pq.read_table(path, columns=["bbox", "datetime"]) for path in chunks])
    starts = np.cumsum([0, *(pq.read_metadata(path).num_rows for path in chunks)])
    with pq.ParquetWriter(
        out, schema.with_metadata(_metadata(chunks)), compression="zstd"
    ) as writer:
        # Each part is gathered from all chunks, so that only one chunk is in memory at a time.
        for rows in np.array_split(order, range(PART, order.size, PART)):
            tables = [schema.empty_table()]
            for path, start, end in zip(chunks, starts, starts[1:], strict=False):
                mine = np.flatnonzero((rows >= start) & (rows < end))
                chunk = pq.read_table(path).take(pa.array(rows[mine] - start))
                tables.append(chunk.append_column(_PLACE, pa.array(mine)))
                tick()
            part = pa.concat_tables(tables, promote_options="permissive").sort_by(_PLACE)
            writer.write_table(part.select(schema.names), row_group_size=ROW_GROUP)


def _order(tables: list[pa.Table]) -> npt.NDArray[np.int64]:
    """Order of the rows of all tables: by quarter degrees, and in each of these by time."""
    table = pa.concat_tables(tables)
    box = table["bbox"].combine_chunks()
    west, south = (np.floor(box.field(side).to_numpy() * 4) for side in ("xmin", "ymin"))
    times = table["datetime"].cast(pa.int64()).to_numpy()
    return np.lexsort((times, west, south))


def _metadata(chunks: list[Path]) -> dict[bytes, bytes]:
    """Metadata of GeoParquet and stac-geoparquet for all chunks together."""
    metas = [pq.read_metadata(path).metadata for path in chunks]
    geos = [json.loads(meta[b"geo"]) for meta in metas]
    columns = [geo["columns"]["geometry"] for geo in geos]
    kinds = sorted({kind for column in columns for kind in column["geometry_types"]})
    # A box around all items is optional, and meaningless if items cross the antimeridian.
    column = {key: value for key, value in columns[0].items() if key != "bbox"}
    geo = geos[0] | {"columns": {"geometry": column | {"geometry_types": kinds}}}
    return {b"geo": json.dumps(geo).encode(), b"stac-geoparquet": metas[0][b"stac-geoparquet"]}
