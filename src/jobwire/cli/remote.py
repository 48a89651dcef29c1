"""`jobwire watch` of a job on a server, with a customer's key and the client that customers have."""

import msgspec

from jobwire import client
from jobwire.cli.estimate_words import say_end, say_start
from jobwire.cli.live import LiveJob
from jobwire.cli.output import console
from jobwire.config import SettingError
from jobwire.domain.errors import JobwireError
from jobwire.domain.estimate import Estimate

_JOBS = "/v1/jobs/"


def split_url(job_id: str, url: str | None) -> tuple[str, str | None]:
    """The job's id and its server's URL; a job may be given as its own URL, like a Location header."""
    root, mark, own_id = job_id.partition(_JOBS)
    if not mark or "://" not in root:
        return job_id, url
    if url is not None and url.rstrip("/").removesuffix("/v1") != root:
        # The key at hand is that server's: it must not go to another one.
        raise SettingError(f"the job is at {root}, but --url or JOBWIRE_URL is {url}; give one of them")
    return own_id, root


def watch_remote(job_id: str, url: str, api_key: str | None) -> int:
    """Follow a job to its end and print it; 0 when it completed, 1 when it ended otherwise."""
    if not api_key:
        raise SettingError(f"a key of {url} is missing; give --api-key or set JOBWIRE_API_KEY")
    try:
        with client.JobwireClient(url, api_key) as server, LiveJob() as live:
            # A wait outlives an outage of minutes; one look finds out that nobody is there.
            server.get(job_id)
            job = server.wait(job_id, on_change=lambda now: live.show(now.phase, *_read_progress(now)))
    except client.ClientError as error:
        raise JobwireError(error.code, str(error)) from error
    except (ModuleNotFoundError, ValueError) as error:
        raise SettingError(str(error)) from error
    console.print_json(msgspec.json.encode(job).decode())
    return 0 if job.phase == "completed" else 1


def _read_progress(job: "client.Job") -> tuple[float, str]:
    """The percentage, and what else there is to say."""
    told = job.progress
    counted = f"{told.done or 0:g}/{told.total:g}" if told.total else ""
    ahead = "" if job.position is None else f"{job.position} ahead"
    held = "" if job.blocked_by is None else f"held back by its cap: {job.blocked_by}"
    words = (told.stage, counted, told.message, ahead, held, _say_estimate(job))
    note = " ".join(word for word in words if word)
    # Somebody else's text must not move this terminal's cursor.
    return told.percent, "".join(char if char.isprintable() else "?" for char in note)


def _say_estimate(job: "client.Job") -> str:
    estimate = job.estimate
    if estimate is None or estimate.starts_in_p50_s is None or estimate.starts_in_p90_s is None:
        return ""
    said = Estimate(
        estimate.starts_in_p50_s, estimate.starts_in_p90_s, estimate.ends_in_p50_s, estimate.ends_in_p90_s
    )
    return say_end(said) if job.phase in ("running", "cancelling") else say_start(said)
