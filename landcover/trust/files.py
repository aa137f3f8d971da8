"""Files with values measured or fitted for the verdict, in ``<model folder>/trust``."""

from __future__ import annotations

from typing import Final

from landcover.models.fitted_files import MAX_BYTES, FittedFiles, Kept

__all__ = [
    "FOLDER",
    "MAX_BYTES",
    "Kept",
    "read_json",
    "read_record",
    "read_tensors",
    "write_json",
    "write_tensors",
    "writing",
]

FOLDER: Final = "trust"
_FILES: Final = FittedFiles(FOLDER, "landcover trust")
read_json = _FILES.read_json
read_record = _FILES.read_record
read_tensors = _FILES.read_tensors
write_json = _FILES.write_json
write_tensors = _FILES.write_tensors
writing = _FILES.writing
