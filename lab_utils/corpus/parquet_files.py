"""Parquet files that users bring, opened without running anything that is in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..audio import BadRecording


@contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file, local or not. Raises BadRecording if it can't be read or isn't one.

    Sizes in the file are limited, so that a small file can't ask for all memory.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise BadRecording.of(path, f"can't be read ({error.strerror or error})", "check the path") from None
    with stream:
        try:
            file = pq.ParquetFile(
                stream, thrift_string_size_limit=100_000_000, thrift_container_size_limit=1_000_000
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            why = " ".join(str(error).split())[:100]
            raise BadRecording.of(path, f"is no Parquet file, or cut off ({why})", "copy it again") from None
        yield file
