"""Frozen, validated settings of the turn-taking pipeline, with LiveKit Agents 1.8.9's names and defaults.

What a user chooses lies in `VadSettings`, `DetectorSettings`, `EndpointingSettings`, `InterruptionSettings`,
`PreemptiveSettings` and, beyond LiveKit's knobs, `PolicySettings`. `Conditions`, which a replay must assume
about the surroundings, are no settings.
All durations and delays are seconds. Vary a setting with `Settings.replace(min_delay=0.4)`, by knob name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from .assumed import (
    GIVEN,
    LATE_PREDICTIONS,
    PREDICTION_DELAY_S,
    PREDICTION_SOURCE,
    TRANSCRIPTION_DELAY_S,
    TRANSCRIPTION_SOURCE,
)
from .detectors import DETECTORS, OWN, DetectorTraits, is_own, traits_of
from .errors import InputError
from .knobs import KNOBS, check_rules, default_with
from .languages import ENGLISH_UNLIKELY_THRESHOLD, ByLanguage, base_language, by_language, threshold_in
from .models import Frozen, describe
from .policies import PolicySettings
from .text import quoted

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Threshold = Annotated[float, Field(gt=0.0, le=1.0)]
Seconds = Annotated[float, Field(ge=0.0, le=60.0, allow_inf_nan=False)]


class VadSettings(Frozen):
    """Voice activity: which model, and the state machine that turns its probabilities into speech."""

    model: Literal["silero", "livekit"] = "livekit"
    activation_threshold: Threshold = 0.5
    deactivation_threshold: Threshold | None = None
    """None stands for LiveKit's own rule, `activation_threshold` - 0.15 but at least 0.01."""
    min_speech_duration: Seconds = 0.05
    min_silence_duration: Seconds = 0.25

    @property
    def deactivation(self) -> float:
        """The deactivation threshold in force."""
        if self.deactivation_threshold is not None:
            return self.deactivation_threshold
        return default_deactivation(self.activation_threshold)

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of LiveKit's `silero.VAD.load` and `inference.VAD`."""
        return self.model_dump(exclude={"model"}) | {"deactivation_threshold": self.deactivation}


def default_deactivation(activation_threshold: float) -> float:
    """LiveKit's deactivation threshold where none is given (inference/vad.py, silero/vad.py)."""
    return max(activation_threshold - 0.15, 0.01)


def _detector(name: Any) -> Any:
    if not isinstance(name, str) or not (name in DETECTORS or is_own(name)):
        *most, last = map(repr, DETECTORS)
        known = f"{', '.join(most)} or {last}"
        raise PydanticCustomError(
            "unknown_detector", f"Input should be {known}, or '{OWN}:' and the name of one of your own"
        )
    return name


def _threshold(value: Any, one: ValidatorFunctionWrapHandler) -> Any:
    if not isinstance(value, Mapping):
        return one(value)
    try:
        return by_language(value)
    except ValueError as error:
        raise PydanticCustomError("by_language", "{why}", {"why": str(error)}) from None


if TYPE_CHECKING:
    UnlikelyThreshold = float | ByLanguage
else:
    UnlikelyThreshold = Annotated[
        Probability,
        WrapValidator(_threshold),
        PlainSerializer(lambda value: dict(value) if isinstance(value, Mapping) else value),
    ]
"""One threshold for every language, or thresholds by language."""


class DetectorSettings(Frozen):
    """End of turn: plain VAD, the speech-to-text's own endpointing, or an audio model (`core.detectors`)."""

    model: Annotated[str, BeforeValidator(_detector)] = "v1-mini"
    unlikely_threshold: UnlikelyThreshold = ENGLISH_UNLIKELY_THRESHOLD
    """For every language, or by language; LiveKit's English one stands for its calibration by language."""

    @property
    def traits(self) -> DetectorTraits:
        """What is known about this detector."""
        return traits_of(self.model)

    @property
    def ends_by_stt(self) -> bool:
        """Whether the speech-to-text says when the turn is over."""
        return self.traits.needs == "stt_events"

    def threshold_in(self, language: str) -> float:
        """The threshold in force in a language ("" if unknown: LiveKit takes English)."""
        return threshold_in(self.unlikely_threshold, language)

    def arguments(self) -> dict[str, Any] | None:
        """Keyword arguments of the detector's `constructor`; None for a mode told by name, "vad" or "stt".

        LiveKit's English threshold isn't given: its calibration by language stays in force then. Raises
        InputError for a detector of the user's own, which no name can build.
        """
        if is_own(self.model):
            raise InputError(
                f"{self.model} is a detector of your own: hand AgentSession your object as turn_detection, "
                "with this profile's other settings"
            )
        if not self.traits.has_threshold:
            return None
        chosen = self.unlikely_threshold
        threshold = {"unlikely_threshold": dict(chosen) if isinstance(chosen, Mapping) else chosen}
        default = self.unlikely_threshold == ENGLISH_UNLIKELY_THRESHOLD
        named = {"version": self.model} if self.traits.needs == "predictions" else {}
        return named | ({} if default else threshold)


class EndpointingSettings(Frozen):
    """How long the agent waits after the last speech; `max_delay` only if the detector says "unlikely"."""

    mode: Literal["fixed", "dynamic"] = "fixed"
    min_delay: Seconds = 0.3
    max_delay: Seconds = 2.5
    alpha: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9


class InterruptionSettings(Frozen):
    """When the user's speech stops the agent."""

    enabled: bool = True
    min_duration: Seconds = 0.5
    min_words: Annotated[int, Field(ge=0)] = 0
    resume_false_interruption: bool = True
    false_interruption_timeout: Seconds | None = 2.0
    discard_audio_if_uninterruptible: bool = True


class PreemptiveSettings(Frozen):
    """Whether the reply is prepared before the turn is over."""

    enabled: bool = True
    preemptive_tts: bool = False
    max_speech_duration: Seconds = 10.0
    max_retries: Annotated[int, Field(ge=0)] = 3


def _language(code: Any) -> Any:
    if not isinstance(code, str) or not code:
        return code
    if not base_language(code):
        raise PydanticCustomError("language", "expected a language code such as de or pt-BR")
    return base_language(code)


class Conditions(Frozen):
    """What a replay assumes and no profile can set. A delay that comes without its source is "given"."""

    transcription_delay: Seconds = TRANSCRIPTION_DELAY_S
    """From the end of speech to the final transcript; 0 means: before the VAD's end of speech. In `stt`
    mode from the STT's decision, which comes `stt_silence` after the end of speech."""
    transcription_source: str = TRANSCRIPTION_SOURCE
    """Where `transcription_delay` comes from, in words."""
    stt_silence: Seconds = 0.5
    """Silence after which the STT says END_OF_SPEECH; `stt` mode only."""
    stt_tells_end: bool = False
    """Whether that END_OF_SPEECH tells when the speech ended (`speech_end_time`): LiveKit counts `min_delay`
    from there instead of from its arrival; `stt` mode only."""
    prediction_delay: Annotated[float, Field(ge=0.0, lt=1.0)] = PREDICTION_DELAY_S
    """From the request of an end-of-turn prediction to its answer."""
    prediction_source: str = PREDICTION_SOURCE
    """Where `prediction_delay` comes from, in words."""
    frame_duration: Annotated[float, Field(gt=0.0, le=1.0)] = 0.05
    """Length of the audio frames that reach the agent (LiveKit's RoomIO: 50 ms)."""
    language: Annotated[str, BeforeValidator(_language)] = ""
    """Of recordings that tell none, as a code; without, LiveKit's detector assumes English."""

    @model_validator(mode="before")
    @classmethod
    def _sources(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        missing = {
            f"{name}_source": GIVEN
            for name in ("transcription", "prediction")
            if f"{name}_delay" in values and f"{name}_source" not in values
        }
        return missing | dict(values)

    def replace(self, **changed: Any) -> Conditions:
        """A copy with some values changed; a delay that is changed without its source is "given".

        Raises ValueError as the constructor does.
        """
        kept = self.model_dump()
        for name in ("transcription", "prediction"):
            if f"{name}_delay" in changed:
                del kept[f"{name}_source"]
        return Conditions(**kept | changed)

    @property
    def in_words(self) -> tuple[str, ...]:
        """What is assumed of delays, where it comes from and how to change it; a line each."""
        return (
            f"transcripts {self.transcription_delay:.2f} s after speech: {self.transcription_source}; "
            "change with --transcription-delay or --providers",
            f"predictions {self.prediction_delay:.2f} s after their request: {self.prediction_source}; "
            "change with --prediction-delay",
            LATE_PREDICTIONS,
        )


USUAL_CONDITIONS = Conditions()
"""What is assumed where nothing else is said."""


_KNOB_OF = {f"{knob.group}.{knob.field}": name for name, knob in KNOBS.items()}


class Settings(Frozen):
    """Everything that decides when a turn is over; `Settings()` is what `AgentSession` does by default."""

    vad: VadSettings = VadSettings()
    detector: DetectorSettings = DetectorSettings()
    endpointing: EndpointingSettings = EndpointingSettings()
    interruption: InterruptionSettings = InterruptionSettings()
    preemptive: PreemptiveSettings = PreemptiveSettings()
    policy: PolicySettings = PolicySettings()

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_rules(self.knobs())
        return self

    def turn_handling(self) -> dict[str, dict[str, Any]]:
        """`turn_handling` of `AgentSession`, but for its `turn_detection`."""
        return {
            "endpointing": self.endpointing.model_dump(),
            "interruption": self.interruption.model_dump(),
            "preemptive_generation": self.preemptive.model_dump(),
        }

    @classmethod
    def from_knobs(cls, knobs: Mapping[str, Any]) -> Settings:
        """Settings from flat knob names; what is missing (or NaN) is LiveKit's default for the parts named.

        Raises ValueError naming the knob that is unknown, of the wrong type or impossible.
        """
        given = {name: value for name, value in knobs.items() if value == value and value is not None}
        for name in sorted(given):
            check_knob(name)
        parts = Settings().replace(**{name: given[name] for name in ("vad", "detector") if name in given})
        return livekit_defaults(parts.vad.model, parts.detector.model).replace(**given)

    def replace(self, **knobs: Any) -> Settings:
        """A copy with some knobs (flat names) changed; raises ValueError as `from_knobs` does."""
        values: dict[str, Any] = self.model_dump()
        for name, value in knobs.items():
            check_knob(name)
            values[KNOBS[name].group][KNOBS[name].field] = value
        try:
            return Settings.model_validate(values)
        except ValidationError as error:
            raise InputError(describe(error, _KNOB_OF)) from None

    def knobs(self) -> dict[str, Any]:
        """Flat knob names and values, in the order of `KNOBS`."""
        return {name: getattr(getattr(self, knob.group), knob.field) for name, knob in KNOBS.items()}


DEFAULTS_NOTE = (
    "LiveKit's defaults are measured with the on-device detector v1-mini; a worker that is hosted on LiveKit "
    "Cloud gets the cloud's v1, which can't be measured offline"
)
"""What must be known wherever "LiveKit's defaults" are shown."""


def check_knob(name: object) -> None:
    """Raise ValueError for what is no knob."""
    if name in Conditions.model_fields:
        raise ValueError(
            f"{name} is a condition, which is the same for all settings, not a knob; set it in `Conditions`"
        )
    if name not in KNOBS:
        raise InputError(f"unknown knob {quoted(name)}; knobs are {', '.join(KNOBS)}")


def livekit_defaults(vad: str = "livekit", detector: str = "v1-mini") -> Settings:
    """What LiveKit Agents 1.8.9 does for these parts when nothing is set (min_delay, max_delay, silence)."""
    values: dict[str, Any] = Settings().model_dump()
    values["vad"]["model"], values["detector"]["model"] = vad, detector
    for knob in KNOBS.values():
        group = values[knob.group]
        group[knob.field] = default_with(knob, vad, detector, group[knob.field])
    return parse_settings(values)


def parse_settings(values: Mapping[str, Any]) -> Settings:
    """`Settings` from nested plain values; ValueError names the key, what came and what was expected."""
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as error:
        raise ValueError(describe(error)) from None


def parse_with_conditions(
    settings: Mapping[str, Any], conditions: Mapping[str, Any] | None = None
) -> tuple[Settings, Conditions]:
    """Settings and conditions from the plain values of a file; up to 0.1.0 the former held the latter.

    Raises ValueError as `parse_settings` does.
    """
    values = dict(settings)
    before = values.pop("conditions", {})
    try:
        read = Conditions.model_validate(dict(before if conditions is None else conditions))
    except ValidationError as error:
        raise ValueError(f"conditions: {describe(error)}") from None
    return parse_settings(values), read
