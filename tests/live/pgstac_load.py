"""Fill one database per catalogue with pypgstac; run this in the environment that has it.

Usage: ``python pgstac_load.py DSN FOLDER``: DSN of a running PostgreSQL without a database
name; FOLDER contains ``NAME.collections.ndjson`` and ``NAME.items.ndjson`` of each catalogue. The
schema is set up once, in a database that is the template of all others.
"""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
from pypgstac.db import PgstacDB
from pypgstac.load import Loader, Methods
from pypgstac.migrate import Migrate


def main(dsn: str, folder: Path) -> None:
    _create(dsn, "CREATE DATABASE schema_only")
    schema = PgstacDB(dsn=f"{dsn}/schema_only")
    Migrate(schema).run_migration()
    schema.disconnect()
    for collections in sorted(folder.glob("*.collections.ndjson")):
        name = collections.name.split(".")[0]
        _create(dsn, f'CREATE DATABASE "{name}" TEMPLATE schema_only')
        database = PgstacDB(dsn=f"{dsn}/{name}")
        loader = Loader(db=database)
        loader.load_collections(str(collections), insert_mode=Methods.insert)
        items = collections.with_name(f"{name}.items.ndjson")
        loader.load_items(str(items), insert_mode=Methods.insert)
        database.disconnect()


def _create(dsn: str, statement: str) -> None:
    with psycopg.connect(f"{dsn}/postgres", autocommit=True) as connection:
        connection.execute(statement)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
