"""A job's progress: what a handler reports, made monotone over all its attempts. worker/context.py collects it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

MESSAGE_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: `percent` 0 to 100, the named `stage`, `done` of `total` units, a short message."""

    percent: float = 0.0
    stage: str | None = None
    done: int | None = None
    total: int | None = None
    message: str | None = None


NO_PROGRESS = Progress()


def resume(last: Progress) -> Progress:
    """Where a new attempt starts: no lower than the last one came; stage, units and message are its own."""
    return Progress(percent=last.percent)


def complete(last: Progress) -> Progress:
    """What a completed job shows: all of it is done, whatever was reported last."""
    return replace(last, percent=100.0, done=last.done if last.total is None else last.total)


def stage_span(weights: Mapping[str, float], stage: str) -> tuple[float, float]:
    """Where `stage` starts and ends in percent, when stages run in the mapping's order and share by weight."""
    if stage not in weights:
        raise ValueError(f"unknown stage {stage!r}; the kind's stages are {', '.join(weights)}")
    total = sum(weights.values())
    before = 0.0
    for name, weight in weights.items():
        if name == stage:
            return 100 * before / total, 100 * (before + weight) / total
        before += weight
    raise AssertionError(stage)


def advance(
    last: Progress,
    *,
    percent: float | None = None,
    stage: str | None = None,
    done: int | None = None,
    total: int | None = None,
    message: str | None = None,
    weights: Mapping[str, float] | None = None,
) -> Progress:
    """The next progress: what was reported, never below what was shown before.

    `percent` is of the whole job, or of its stage where the kind has weighted stages; `done` of `total` gives the
    percent when none is named.
    """
    stage = last.stage if stage is None else stage
    if percent is None and done is not None and total:
        percent = 100 * min(done, total) / total
    low, high = (0.0, 100.0)
    if weights and stage is not None:
        low, high = stage_span(weights, stage)
    within = min(100.0, max(0.0, percent or 0.0))
    shown = last.percent if percent is None and low <= last.percent else low + (high - low) * within / 100
    return replace(
        last,
        percent=round(max(last.percent, shown), 1),
        stage=stage,
        done=done,
        total=total,
        message=None if message is None else message[:MESSAGE_CHARS_MAX],
    )
