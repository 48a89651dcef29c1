"""How the command line says an estimate: "starts in about 20–45 s", from the median to the 90th percentile."""

from jobwire.domain.estimate import Estimate

_UNITS = ((1.0, "s"), (60.0, "min"), (3_600.0, "h"), (86_400.0, "days"))


def say_start(estimate: Estimate | None) -> str:
    """When the job starts; nothing where that is not known."""
    return "" if estimate is None else f"starts {_say_span(estimate.starts_in_p50_s, estimate.starts_in_p90_s)}"


def say_end(estimate: Estimate | None) -> str:
    """When the job ends; nothing where that is not known."""
    if estimate is None or estimate.ends_in_p50_s is None or estimate.ends_in_p90_s is None:
        return ""
    return f"ends {_say_span(estimate.ends_in_p50_s, estimate.ends_in_p90_s)}"


def _say_span(p50_s: float, p90_s: float) -> str:
    """Both in the unit that suits the longer one, to two digits."""
    if p90_s < 1:
        return "in a moment"
    size, unit = next((size, unit) for size, unit in reversed(_UNITS) if p90_s >= 2 * size or size == 1)
    low, high = (f"{float(f'{seconds / size:.2g}'):g}" for seconds in (p50_s, p90_s))
    return f"in about {high} {unit}" if low == high else f"in about {low}–{high} {unit}"
