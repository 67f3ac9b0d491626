"""A chosen setting as files: the profile, and beside it a LiveKit worker that uses it."""

from __future__ import annotations

from pathlib import Path

from ..core.files import write_whole
from ..latency.export import worker_code
from ..latency.techniques.choice import LEVER_NAMES, parse_techniques
from ..latency.techniques.levers import SETTINGS, lever_settings
from ..session.providers.files import load_providers
from ..turns.profile import Profile, save_profile

WORKER_FILE = "agent.py"


def worker_text(profile: Path, techniques: str | None, providers: str, levers: str = "none") -> str | None:
    """Python of the worker that belongs beside a profile file; None if no techniques are asked for.

    `techniques`, `levers`: "all", "none" or names with commas; `providers`: a provider profile, by name
    or file. Raises ValueError if any can't be read or a file can't be written: before the work, not after.
    """
    if profile.is_dir():
        raise ValueError(f"{profile}: is a folder; name a file with -o")
    chosen = parse_techniques(techniques or "none", levers)
    if techniques is None:
        theirs = [name for name in LEVER_NAMES if name in chosen.levers and name not in SETTINGS]
        if theirs:
            raise ValueError(
                f"the lever {theirs[0]} is the agent's, not the profile's; add --techniques, which writes "
                f"the agent, or choose from {', '.join(SETTINGS)}"
            )
        return None
    text = worker_code(profile.name, chosen, load_providers(providers))
    refuse_to_overwrite(profile.with_name(WORKER_FILE), text)
    return text


def with_levers(profile: Profile, levers: str) -> Profile:
    """The profile with those levers that are settings of `AgentSession`; none of them moves a commit.

    Raises ValueError for an unknown name.
    """
    chosen = parse_techniques("none", levers).levers
    return profile.model_copy(update={"settings": lever_settings(profile.settings, chosen)})


def refuse_to_overwrite(path: Path, text: str) -> None:
    """Raise ValueError if the file is there and says something else: somebody may have worked on it."""
    if path.exists() and path.read_bytes() != text.encode():
        raise ValueError(f"{path}: is there and differs; move it, or name another folder with -o")


def export_files(profile: Profile, path: Path, worker: str | None = None) -> dict[str, str]:
    """Write the profile and, if given, the worker's text beside it; what was written, by what it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_profile(profile, path)
    if worker is None:
        return {"profile": str(path)}
    write_whole(path.with_name(WORKER_FILE), worker)
    return {"profile": str(path), "worker": str(path.with_name(WORKER_FILE))}
