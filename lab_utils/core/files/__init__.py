"""Files that users bring and keep: read strictly and up to a size, written whole or not at all."""

from .json_files import parse_model, read_json, read_model
from .reading import MAX_TEXT_BYTES, BadFile, is_machine_error, json_text, marked_text, read_limited
from .scratch import scratch_folder, write_together
from .writing import remove_stale, replacing, write_whole
from .yaml_files import Document, OneLine, OneLineItems, dumped, parse_yaml, read_yaml

__all__ = [
    "MAX_TEXT_BYTES",
    "BadFile",
    "Document",
    "OneLine",
    "OneLineItems",
    "dumped",
    "is_machine_error",
    "json_text",
    "marked_text",
    "parse_model",
    "parse_yaml",
    "read_json",
    "read_limited",
    "read_model",
    "read_yaml",
    "remove_stale",
    "replacing",
    "scratch_folder",
    "write_together",
    "write_whole",
]
