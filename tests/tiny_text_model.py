"""A tiny text detector laid out as the hub's cache has LiveKit's: a model of seven nodes, and a tokenizer.

Its probability is |sin| of a sum over tokens and their places: each prompt has one of its own. The ONNX
file is written by hand (onnx.proto3: field numbers of ModelProto, GraphProto, NodeProto, TensorProto), for
nothing else here needs the package onnx.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers

REPOSITORY = "models--livekit--turn-detector"
REVISIONS = {"english": "v1.2.2-en", "multilingual": "v0.4.1-intl"}
THRESHOLDS = {"english": {"en": 0.4}, "multilingual": {"en": 0.35, "de": 0.6, "ko": 0.5}}
MESSAGE = "<|im_start|><|{{ message.role }}|>{{ message.content }}<|im_end|>"
TEMPLATE = "{% for message in messages %}" + MESSAGE + "{% endfor %}"
FLOAT, INT64 = 1, 7


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _node(kind: str, inputs: list[str], output: str, *attributes: bytes) -> bytes:
    return _bytes(
        1,
        b"".join(_bytes(1, one) for one in inputs)
        + _bytes(2, output)
        + _bytes(4, kind)
        + b"".join(_bytes(5, one) for one in attributes),
    )


def _integer(name: str, value: int) -> bytes:
    return _bytes(1, name) + _number(3, value) + _number(20, 2)


def _constant(name: str, kind: int, dims: list[int], data: bytes) -> bytes:
    tensor = b"".join(_number(1, one) for one in dims) + _number(2, kind) + _bytes(8, name) + _bytes(9, data)
    return _bytes(5, tensor)


def _value(field: int, name: str, kind: int, dims: list[str | int]) -> bytes:
    shape = b"".join(_bytes(1, _bytes(2, one) if isinstance(one, str) else _number(1, one)) for one in dims)
    tensor = _number(1, kind) + _bytes(2, shape)
    return _bytes(field, _bytes(1, name) + _bytes(2, _bytes(1, tensor)))


def onnx_model(scale: float = 0.37) -> bytes:
    """p = |sin(scale * sum over places of the running sums of the tokens)|."""
    graph = (
        _node("Cast", ["input_ids"], "tokens", _integer("to", FLOAT))
        + _node("CumSum", ["tokens", "axis"], "sums")
        + _node("ReduceSum", ["sums", "axes"], "total", _integer("keepdims", 1))
        + _node("Mul", ["total", "scale"], "angle")
        + _node("Sin", ["angle"], "wave")
        + _node("Abs", ["wave"], "prob")
        + _bytes(2, "tiny")
        + _constant("axis", INT64, [1], struct.pack("<q", 1))
        + _constant("axes", INT64, [1], struct.pack("<q", 1))
        + _constant("scale", FLOAT, [1], struct.pack("<f", scale))
        + _value(11, "input_ids", INT64, [1, "n"])
        + _value(12, "prob", FLOAT, [1, 1])
    )
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, "") + _number(2, 17))


def tokenizer() -> Tokenizer:
    """One token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {one: k + 1 for k, one in enumerate(alphabet)}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


def write_weights(hub: Path, name: str) -> Path:
    """The weights of "english" or "multilingual" in a hub's cache folder; the folder of its snapshot."""
    commit = {"english": "e", "multilingual": "b"}[name] * 40
    repository = hub / REPOSITORY
    snapshot = repository / "snapshots" / commit
    (snapshot / "onnx").mkdir(parents=True)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / REVISIONS[name]).write_text(commit)
    (snapshot / "onnx" / "model_q8.onnx").write_bytes(onnx_model())
    languages = {code: {"threshold": value} for code, value in THRESHOLDS[name].items()}
    (snapshot / "languages.json").write_text(json.dumps(languages))
    tokenizer().save(str(snapshot / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": TEMPLATE}
    (snapshot / "tokenizer_config.json").write_text(json.dumps(config))
    (snapshot / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return snapshot
