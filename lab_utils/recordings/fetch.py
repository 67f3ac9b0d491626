"""Fetching public corpora: what they are, their licences, and copying them through fsspec.

Nothing is fetched unasked. Where the network doesn't allow it, download a corpus by hand and give its folder
to `find_recordings`: the formats read local copies just as well.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import fsspec
from tqdm.auto import tqdm

from ..core.files import replacing

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Corpus:
    """A public corpus of recordings."""

    name: str
    title: str
    source: str
    """fsspec URL of a folder, or of a page that lists its files."""
    folders: tuple[str, ...]
    """The folders of it that are fetched."""
    licence: str
    licence_url: str
    by_hand: str
    """How to get it without this command."""
    format: str
    """Its import format."""


_HARPER = Corpus(
    "harper-valley",
    "HarperValleyBank: 1,446 simulated bank calls, two channels, word times (Wu et al. 2020)",
    "github://cricketclub:gridspace-stanford-harper-valley@master/",
    ("data/audio", "data/transcript", "data/metadata"),
    "CC BY 4.0",
    "https://creativecommons.org/licenses/by/4.0/",
    "git clone https://github.com/cricketclub/gridspace-stanford-harper-valley",
    "harper_valley",
)
_EOT_BENCH = Corpus(
    "eot-bench",
    "livekit/eot-bench-data: user turns with every silence, 14 languages",
    "hf://datasets/livekit/eot-bench-data/",
    ("",),
    "Apache-2.0",
    "https://www.apache.org/licenses/LICENSE-2.0",
    "huggingface-cli download --repo-type dataset livekit/eot-bench-data (needs huggingface_hub)",
    "eot_bench",
)
_AMI = Corpus(
    "ami",
    "AMI: meetings with a headset per participant; the RTTM files come from a diarization set-up",
    "https://groups.inf.ed.ac.uk/ami/AMICorpusMirror/amicorpus/",
    ("ES2002a/audio",),
    "CC BY 4.0",
    "https://creativecommons.org/licenses/by/4.0/",
    "groups.inf.ed.ac.uk/ami/download (choose individual headsets), RTTM from AMI-diarization-setup",
    "ami",
)
CORPORA: Mapping[str, Corpus] = MappingProxyType({one.name: one for one in (_HARPER, _EOT_BENCH, _AMI)})
WANTED_SUFFIXES = (".wav", ".json", ".parquet", ".rttm", ".flac", ".md", "license", "licence", ".txt")


class FetchError(ValueError):
    """A corpus that could not be fetched; the message is one line."""


def corpus_named(name: str) -> Corpus:
    """A corpus by its name. Raises FetchError that lists the names."""
    if name not in CORPORA:
        raise FetchError(f"no corpus {name!r}; expected one of {', '.join(CORPORA)}")
    return CORPORA[name]


def fetch(
    corpus: Corpus,
    folder: str | Path,
    *,
    source: str | None = None,
    limit: int | None = None,
    quiet: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Copy a corpus into a folder, at most `limit` files of each of its folders; returns the local paths.

    `tell` gets the licence before anything is copied. A file that is there with the right size is kept, so an
    interrupted fetch goes on where it stopped; each file is written whole or not at all. `source` is a mirror
    (any fsspec URL). Raises FetchError, saying how to get the corpus by hand, if the source can't be reached.
    """
    tell(f"{corpus.title}. Licence: {corpus.licence} ({corpus.licence_url})")
    address = source or corpus.source
    target = Path(folder)
    try:
        files, base = fsspec.core.url_to_fs(address)
        wanted = list(_wanted(files, base, corpus.folders, limit))
    except Exception as error:  # each of the many file systems has errors of its own
        raise _unreachable(corpus, address, error) from None
    if not wanted:
        finding = f"{address}: has none of {', '.join(corpus.folders)}"
        raise FetchError(f"{finding}; get it by hand: {corpus.by_hand}")
    made = []
    for remote, relative, size in tqdm(wanted, f"fetching {corpus.name}", unit="file", disable=quiet):
        local = target / relative
        made.append(local)
        if local.exists() and local.stat().st_size == size:
            continue
        try:
            local.parent.mkdir(parents=True, exist_ok=True)
            with replacing(local) as part, files.open(remote, "rb") as stream, part.open("wb") as out:
                shutil.copyfileobj(stream, out, CHUNK_BYTES)
        except Exception as error:  # as above
            raise _unreachable(corpus, remote, error) from None
    return made


def _wanted(
    files: fsspec.AbstractFileSystem, base: str, folders: tuple[str, ...], limit: int | None
) -> Iterator[tuple[str, PurePosixPath, int]]:
    """(remote path, path in the corpus, size) of the files to copy."""
    start = base.rstrip("/")
    for folder in folders:
        part = f"{start}/{folder}" if folder else start
        found = files.find(part, detail=True)
        chosen = [name for name in sorted(found) if name.lower().endswith(WANTED_SUFFIXES)]
        for name in chosen[:limit]:
            relative = PurePosixPath(name[len(start) :].lstrip("/"))
            if relative.is_absolute() or ".." in relative.parts or not relative.parts:
                continue  # a listing must not make us write outside the folder
            yield name, relative, int(found[name].get("size") or -1)


def _unreachable(corpus: Corpus, address: str, error: Exception) -> FetchError:
    why = " ".join(str(error).split())[:120] or type(error).__name__
    finding = f"{address}: can't be fetched ({type(error).__name__}: {why})"
    return FetchError(f"{finding}; get {corpus.name} by hand: {corpus.by_hand}, then 'lab import FOLDER'")
