"""Everything a route may use, in one value: made once by the wiring, read by http, the systems and the dashboard."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jobwire.blobs.contract import Blobs
from jobwire.blobs.links import FileLinks
from jobwire.blobs.scratch import Scratch
from jobwire.kinds.registry import Registry
from jobwire.service.estimates import Estimates
from jobwire.service.jobs import Jobs
from jobwire.service.limits import Limits
from jobwire.service.owners import Owners
from jobwire.service.watching import Watching
from jobwire.service.webhooks import Webhooks
from jobwire.store.contract import Store


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases over one ledger and what they stand on; `clock` gives Unix milliseconds."""

    jobs: Jobs
    watching: Watching
    estimates: Estimates
    owners: Owners
    limits: Limits
    webhooks: Webhooks
    store: Store
    blobs: Blobs
    links: FileLinks
    registry: Registry
    settings: Mapping[str, str]
    clock: Callable[[], int]
    scratch: Scratch = field(default_factory=Scratch)
