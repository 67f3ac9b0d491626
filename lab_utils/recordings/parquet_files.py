"""Opens Parquet files from users without running anything that is in them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from .audio import BadRecording

MAX_FOOTER_BYTES = 64 << 20
"""The footer lists the columns of each row group; it is read whole."""
BOMB_BYTES = 64 << 20
BOMB_RATIO = 200
"""Largest accepted compression, above `BOMB_BYTES`: text becomes ten times smaller, audio hardly smaller."""


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
            _check_footer(path, stream)
            file = pq.ParquetFile(
                stream, thrift_string_size_limit=100_000_000, thrift_container_size_limit=1_000_000
            )
        except BadRecording:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            why = " ".join(str(error).split())[:100]
            raise BadRecording.of(path, f"is no Parquet file, or cut off ({why})", "copy it again") from None
        yield file


def _check_footer(path: Path, stream: IO[bytes]) -> None:
    """Raises BadRecording for a footer that would fill the memory; pyarrow refuses other files."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 8))
    tail = stream.read()
    stream.seek(0)
    if len(tail) == 8 and tail.endswith((b"PAR1", b"PARE")):
        footer = int.from_bytes(tail[:4], "little")
        if footer > MAX_FOOTER_BYTES:
            finding = f"has a footer of {footer >> 20} MiB, at most {MAX_FOOTER_BYTES >> 20} are expected"
            raise BadRecording.of(path, finding, "copy it again, or write it with fewer row groups")


def check_size(
    path: Path, file: pq.ParquetFile, columns: Sequence[str], most_bytes: int, group: int | None = None
) -> None:
    """Raises BadRecording if columns, by the file's footer, would take more than `most_bytes` of memory.

    `group`: check this row group only; None: all. A file of a few kilobytes can expand to gigabytes.
    """
    metadata = file.metadata
    total = packed = 0
    for g in range(metadata.num_row_groups) if group is None else (group,):
        row_group = metadata.row_group(g)
        for c in range(row_group.num_columns):
            column = row_group.column(c)
            if column.path_in_schema.partition(".")[0] in columns:
                total += max(0, column.total_uncompressed_size)
                packed += max(0, column.total_compressed_size)
    if total > most_bytes or (total > BOMB_BYTES and total > BOMB_RATIO * packed):
        finding = f"would take {total / (1 << 20):.0f} MiB of {packed / (1 << 20):.1f} MiB in the file"
        limit = f"at most {most_bytes >> 20} MiB, and {BOMB_RATIO} times its size, are expected"
        raise BadRecording.of(path, finding, f"{limit}; check where it comes from")
