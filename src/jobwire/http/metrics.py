"""The counters of this process in Prometheus' text format."""

from jobwire.http.answer import Answer
from jobwire.service.watching import Watching

_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


def answer_metrics(watching: Watching) -> Answer:
    """What is counted now."""
    polls, finals = watching.polls, watching.polls_final
    figures = (
        ("polls_total", "counter", "Status answers.", polls),
        ("polls_final_total", "counter", "Status answers that told the end of a job.", finals),
        ("polls_per_job", "gauge", "Status answers for each that told an end.", polls / finals if finals else 0),
        ("waits", "gauge", "Calls that wait for a job now.", watching.waits.taken),
        ("streams", "gauge", "Event streams that are open now.", watching.streams.taken),
        (
            "tail_entry",
            "gauge",
            "The last entry of the event log that waiters here were told of.",
            watching.tail.after,
        ),
    )
    text = "".join(
        f"# HELP jobwire_{name} {meaning}\n# TYPE jobwire_{name} {kind}\njobwire_{name} {value:.10g}\n"
        for name, kind, meaning, value in figures
    )
    return Answer(200, [(b"content-type", _TYPE), (b"cache-control", b"no-store")], text.encode())
