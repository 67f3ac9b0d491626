"""From speakers' names to user and agent, and back: annotations to labels, labels to annotations.

Goal: labels for tuning from any annotation, and labels that a person can edit in Praat, Audacity or ELAN
and bring back. Conventions: float seconds from the start of the recording.

If an annotation has segments on the tier "labels", these become the labels. Their text is a kind (hold,
shift, cut_off, backchannel) and, if below 1, the confidence ("hold 0.67"). The other segments become the IPUs
and are merged only where they overlap.

Otherwise `two_channel.label_two_channels` makes the labels. Their confidence is 1, since the speech is known
and the labels follow from it by definition. Without an agent there are no labels, for every pause would be a
hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ...core.labels import LABEL_KINDS, Ipu, Label, LabelKind, Labels, Speaker, Word, as_spans
from ...core.timeline import Floats
from ..labels.file import SILENCES
from ..labels.two_channel import Limits, label_two_channels, to_ipus
from .records import Annotation, Segment
from .source import LABEL_TIER, ROUNDING_S, BadAnnotation, Location, short

WORDS_ARE_FINER = frozenset(
    ("deepgram", "assemblyai", "whisper", "whisper_cpp", "elevenlabs", "aws_transcribe", "aws_contact_lens")
)
"""Sources whose segments may contain pauses, so that their words are used instead."""
BEYOND_S = 0.5
"""A segment that ends up to this much after the audio is taken for rounded and clipped."""
LENGTH_S = 1.5
"""The audio's length in the annotation may be wrong by this much; AssemblyAI gives whole seconds."""

_AS_THEY_ARE = Limits(merge_silence_s=0.0, min_speech_s=0.0)
_LABEL = re.compile(r"([^\W\d][\w -]*?)(?:\s+(\d(?:[.,]\d{1,12})?))?", re.ASCII)
_AGENT = frozenset(
    [
        "agent",
        "assistant",
        "bot",
        "ai",
        "system",
        "robot",
        "ivr",
        "machine",
        "voicebot",
        "chatbot",
        "agents",
        "operator",
    ]
)
_USER = frozenset(["user", "caller", "customer", "client", "human", "users", "callers", "patient", "guest"])
_CHANNEL = re.compile(r"(?:channel|chan|ch)[\s_-]*(\d)")


def guess_roles(annotation: Annotation) -> dict[str, Speaker] | None:
    """Who is user and who is agent by their names; None if the names don't tell.

    A name tells if one of its words is "agent", "assistant", "bot", ..., or "user", "caller", "customer", ...
    If only one of two names tells, the other speaker has the other role. Of two channels the lower or left
    one is the user's, as in stereo files. "SPEAKER_00" and "speaker A" tell nothing.
    """
    names = _names(annotation)
    roles = {name: role for name in names if (role := _role(name))}
    if len(roles) < len(names) and len(names) == 2:
        roles = roles or _by_channel(names)
        if len(roles) == 1:
            (known,) = roles.values()
            other: Speaker = "agent" if known == "user" else "user"
            roles = {name: roles.get(name, other) for name in names}
    return roles if names and len(roles) == len(names) and "user" in roles.values() else None


def labels_of(
    annotation: Annotation,
    roles: Mapping[str, Speaker],
    duration_s: float,
    *,
    path: Location | str | None = None,
) -> Labels:
    """Labels of a recording of `duration_s` seconds, whose speakers have these roles.

    IPUs are the segments. For a role without segments, and for sources whose segments may contain pauses
    (`WORDS_ARE_FINER`), they are the words joined over gaps < 0.2 s. Words are kept. Speech without a
    speaker's name is left out if other speech has names (`Annotation.notes` says so), unless "" has a role.
    `source` is the annotation's.

    Raises BadAnnotation, with a message that begins with `path`, for a speaker without a role, an unknown
    kind of label, times after the end of the audio, or a silence during which the user speaks. Raises
    ValueError for a duration that isn't above 0.
    """
    if not 0.0 < duration_s < float("inf"):
        raise ValueError(f"duration_s must be a number of seconds above 0, got {duration_s}")
    where = str(path) if path is not None else f"{annotation.source or 'the'} annotation"
    annotation = _without_nameless(annotation, roles)
    _check_names(where, annotation, roles)
    _check_length(where, annotation, duration_s)
    given = [one for one in annotation.segments if one.speaker.casefold() == LABEL_TIER]
    spoken = [one for one in annotation.segments if one.speaker.casefold() != LABEL_TIER]
    words = tuple(
        Word(roles[one.speaker], *_clipped(one, duration_s), one.text)
        for one in annotation.words
        if one.start_s <= duration_s
    )
    speech = {role: _speech(annotation, spoken, roles, role) for role in ("user", "agent")}
    user, agent = (as_spans([(one.start_s, one.end_s) for one in speech[role]]) for role in ("user", "agent"))
    if given:
        spans = [to_ipus(user, duration_s, _AS_THEY_ARE), to_ipus(agent, duration_s, _AS_THEY_ARE)]
        labels = tuple(_given_label(where, one, duration_s) for one in given)
        _check_silences(where, labels, spans[0])
    else:
        found = label_two_channels(user, agent, duration_s)
        spans = [found.spans("user"), found.spans("agent")]
        labels = found.labels if "agent" in roles.values() else ()
    ipus = [*_ipus("user", spans[0], speech["user"]), *_ipus("agent", spans[1], speech["agent"])]
    ordered = tuple(sorted(ipus, key=lambda ipu: (ipu.start_s, ipu.end_s)))
    return Labels(float(duration_s), ordered, labels, words, annotation.source)


def annotation_of(labels: Labels) -> Annotation:
    """Labels as tiers "user", "agent" and "labels", for `write_annotation`; `labels_of` takes them back.

    A label's text is its kind, and its confidence if below 1; its reason is lost.
    """
    segments = [Segment(ipu.speaker, ipu.start_s, ipu.end_s, ipu.text) for ipu in labels.ipus]
    for label in labels.labels:
        text = label.kind if label.confidence >= 1.0 else f"{label.kind} {round(label.confidence, 4):g}"
        segments.append(Segment(LABEL_TIER, label.start_s, label.end_s, text))
    return Annotation(
        tuple(sorted(segments, key=lambda one: (one.start_s, one.end_s))),
        tuple(Segment(word.speaker, word.start_s, word.end_s, word.text) for word in labels.words),
        labels.duration_s,
        "labels",
    )


def _role(name: str) -> Speaker | None:
    parts = set(re.split(r"[^a-z]+", name.casefold()))
    if parts & _AGENT and not parts & _USER:
        return "agent"
    if parts & _USER and not parts & _AGENT:
        return "user"
    return None


def _by_channel(names: Sequence[str]) -> dict[str, Speaker]:
    found = [_CHANNEL.fullmatch(name.casefold().strip()) for name in names]
    if all(found):
        low, high = sorted(names, key=lambda name: name.casefold().strip()[-1])
        return {low: "user", high: "agent"}
    if sorted(name.casefold() for name in names) == ["left", "right"]:
        return {name: "user" if name.casefold() == "left" else "agent" for name in names}
    return {}


def _names(annotation: Annotation) -> list[str]:
    """The speakers' names; "" is among them only if speech without a name may be a speaker of the call."""
    names = [name for name in annotation.speakers if name.casefold() != LABEL_TIER]
    return [name for name in names if name] if _are_strays(annotation, names) else names


def _are_strays(annotation: Annotation, names: Sequence[str]) -> bool:
    """Whether speech without a name is no speaker: two others have names, or at most a quarter has none."""
    if "" not in names or len(names) == 1:
        return False
    spoken = annotation.segments or annotation.words
    nameless = sum(not one.speaker for one in spoken)
    return len(names) > 2 or 4 * nameless <= len(spoken)


def _without_nameless(annotation: Annotation, roles: Mapping[str, Speaker]) -> Annotation:
    """The annotation without the speech that has no name, if that is no speaker and "" has no role."""
    names = [name for name in annotation.speakers if name.casefold() != LABEL_TIER]
    if "" in roles or not _are_strays(annotation, names):
        return annotation
    segments = tuple(one for one in annotation.segments if one.speaker)
    return replace(annotation, segments=segments, words=tuple(one for one in annotation.words if one.speaker))


def _check_names(where: str, annotation: Annotation, roles: Mapping[str, Speaker]) -> None:
    wrong = sorted({role for role in roles.values() if role not in ("user", "agent")})
    if wrong:
        raise BadAnnotation.at(where, f"role {short(wrong[0])} is unknown", "expected user or agent")
    names = [name for name in annotation.speakers if name.casefold() != LABEL_TIER]
    missing = [name for name in names if name not in roles]
    if missing:
        finding = f"speaker {short(missing[0])} has no role (speakers: {short(', '.join(map(repr, names)))})"
        raise BadAnnotation.at(where, finding, "say who is the user and who the agent")


def _check_length(where: str, annotation: Annotation, duration_s: float) -> None:
    remedy = "is it the annotation of this very recording?"
    own_s = annotation.duration_s
    if own_s is not None and abs(own_s - duration_s) > LENGTH_S:
        raise BadAnnotation.at(where, f"is of {own_s:g} s of audio, not of {duration_s:.3f} s", remedy)
    last = max((*annotation.segments, *annotation.words), key=lambda one: one.end_s, default=None)
    if last is not None and last.end_s > duration_s + BEYOND_S:
        over = f"{short(last.speaker)} ends at {last.end_s:g} s, but the audio lasts {duration_s:.3f} s"
        raise BadAnnotation.at(where, over, remedy)


def _speech(
    annotation: Annotation, spoken: Iterable[Segment], roles: Mapping[str, Speaker], role: Speaker
) -> list[Segment]:
    """One role's speech: its segments, or its words where these are finer or there are no segments."""
    segments = [one for one in spoken if roles[one.speaker] == role]
    words = [one for one in annotation.words if roles[one.speaker] == role]
    return words if words and (annotation.source in WORDS_ARE_FINER or not segments) else segments


def _ipus(role: Speaker, spans: Floats, speech: Sequence[Segment]) -> list[Ipu]:
    """IPUs with the texts of the speech in them."""
    texts: list[list[str]] = [[] for _ in spans]
    # an IPU starts where one of its segments starts, so a segment lies in the last IPU that has started
    for one, k in zip(
        speech, spans[:, 0].searchsorted([one.start_s for one in speech], "right"), strict=True
    ):
        if one.text and k and one.start_s <= spans[k - 1, 1]:
            texts[k - 1].append(one.text)
    return [
        Ipu(role, start_s, end_s, " ".join(t))
        for (start_s, end_s), t in zip(spans.tolist(), texts, strict=True)
    ]


def _given_label(where: str, one: Segment, duration_s: float) -> Label:
    match = _LABEL.fullmatch(one.text.strip())
    kind = match[1].casefold().replace(" ", "_").replace("-", "_") if match else ""
    kind = {"cutoff": "cut_off", "back_channel": "backchannel"}.get(kind, kind)
    if match is None or kind not in LABEL_KINDS:
        finding = f"label {short(one.text)} at {one.start_s:g} s is of no known kind"
        raise BadAnnotation.at(where, finding, f"expected {', '.join(LABEL_KINDS)}")
    confidence = float(match[2].replace(",", ".")) if match[2] else 1.0
    if not 0.0 <= confidence <= 1.0:
        finding = f"label {short(one.text)} at {one.start_s:g} s has confidence {confidence:g}"
        raise BadAnnotation.at(where, finding, "expected 0 to 1")
    known: LabelKind = next(name for name in LABEL_KINDS if name == kind)
    return Label(known, *_clipped(one, duration_s), confidence, "annotated")


def _check_silences(where: str, labels: Iterable[Label], user: Floats) -> None:
    """The user is silent in a hold, cut_off or shift, and a silence has one label."""
    last: Label | None = None
    for label in (label for label in labels if label.kind in SILENCES):
        at = f"{label.kind} from {label.start_s:g} to {label.end_s:g} s"
        overlaps = (user[:, 0] < label.end_s - ROUNDING_S) & (user[:, 1] > label.start_s + ROUNDING_S)
        if overlaps.any():
            start_s, end_s = user[overlaps][0]
            finding = f"{at}, but the user speaks from {start_s:g} to {end_s:g} s"
            raise BadAnnotation.at(where, finding, "correct the times or the kind")
        if last is not None and last.end_s > label.start_s + ROUNDING_S:
            other = f"the {last.kind} from {last.start_s:g} to {last.end_s:g} s"
            raise BadAnnotation.at(where, f"{at} overlaps {other}", "leave one label a silence")
        last = label


def _clipped(one: Segment, duration_s: float) -> tuple[float, float]:
    return min(one.start_s, duration_s), min(one.end_s, duration_s)
