"""The table of bundled models says what the installed packages say, and leaves none of them out."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, distribution, distributions

import pytest
from paths import ROOT

PAGE = ROOT / "docs" / "licences.md"
NOT_OURS = {"onnxruntime": "toy models of its documentation"}
MODEL_SUFFIXES = (".onnx", ".ort", ".pt", ".pth", ".safetensors", ".gguf", ".tflite", "model.bin")


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[1:]]


def licence_of(found: Distribution) -> str:
    return str(found.metadata.get("License-Expression") or found.metadata.get("License"))


def test_every_row_says_what_its_package_says() -> None:
    assert len(rows()) == 4
    for _, _, package, file, licence in rows():
        found = distribution(package)
        assert licence == licence_of(found), package
        if "." in file:
            assert any(path.name == file for path in found.files or ()), f"{package}: {file}"


def test_livekits_model_licence_lies_in_its_package() -> None:
    """Its models may be used with LiveKit Agents only; who installs this gets the text."""
    found = distribution("livekit-local-inference")
    (text,) = (path.read_text() for path in found.files or () if path.name == "MODEL_LICENSE")
    assert re.search(r"only use them\s+together with the LiveKit Agents framework", text)


@pytest.mark.slow
def test_no_package_that_brings_a_model_is_left_out() -> None:
    """Of the packages that the lock file names: a virtual environment may hold others."""
    locked = set(re.findall(r"(?m)^([\w.-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8")))
    listed = {package for _, _, package, *_ in rows()} | set(NOT_OURS)
    bringing = {
        found.metadata["Name"].lower()
        for found in distributions()
        if any(str(path).endswith(MODEL_SUFFIXES) for path in found.files or ())
    }
    assert bringing & locked <= listed
