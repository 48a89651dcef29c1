"""What an operator may set for this system; docs/settings.md lists the table."""

from dataclasses import replace
from functools import cached_property
from typing import Final

from jobwire.config import Setting
from jobwire.net.fetch import FetchPolicy
from jobwire.systems.settings import SystemSettings

SETTINGS: Final = (
    Setting(
        "JOBWIRE_FETCH_ALLOW", "", "Networks files may be fetched from although they are not public (127.0.0.0/8)."
    ),
    Setting(
        "APIDATATOOLS_PUBLIC_URL",
        "",
        "Scheme and host in front of links to results and uploads; empty: as the caller used them.",
    ),
    Setting(
        "APIDATATOOLS_FILE_BYTES", "100000000", "Bytes that a file may have, uploaded or fetched (to 5000000000)."
    ),
    Setting("APIDATATOOLS_STORAGE_BYTES", "1000000000", "Bytes of uploads an account may have at a time."),
    Setting("APIDATATOOLS_PENDING_UPLOADS", "10", "Announced uploads without their bytes an account may have."),
    Setting("APIDATATOOLS_KEPT_HOURS", "24", "Hours that uploads and results are kept (1 to 8760)."),
    Setting(
        "APIDATATOOLS_UNITS",
        "0",
        "Tool calls an account may make in a calendar month (UTC), unless set; 0: no limit.",
    ),
    Setting(
        "APIDATATOOLS_FRIENDLY_ERRORS",
        "0",
        "1 adds `message` and `retry_after` to refusals, for clients that read every answer as a status.",
    ),
    Setting("APIDATATOOLS_SYNC_MS", "10000", "Milliseconds a call in body mode waits before it becomes a job."),
    Setting("APIDATATOOLS_SYNC_BYTES", "1000000", "Bytes above which a call in body mode becomes a job at once."),
    Setting("APIDATATOOLS_MEMORY_BYTES", "1000000000", "Memory a tool's process may take beside its modules."),
    Setting("APIDATATOOLS_CPU_S", "300", "CPU seconds a tool's process may take; its whole time is twice that."),
)

FILE_BYTES_MAX: Final = 5_000_000_000
KEPT_HOURS_MAX: Final = 8_760
SYNC_MS_MAX: Final = 60_000
CPU_S_MAX: Final = 86_400


class ToolSettings(SystemSettings):
    """The settings of one house for apidatatools."""

    table = SETTINGS

    @cached_property
    def fetch_policy(self) -> FetchPolicy:
        """What customers' URLs may reach, and how much of it."""
        return replace(super().fetch_policy, body_bytes_max=self.file_bytes_max)

    @property
    def public_url(self) -> str:
        """Without a trailing slash; empty where each caller's own is used."""
        return self._text("APIDATATOOLS_PUBLIC_URL").rstrip("/")

    @cached_property
    def file_bytes_max(self) -> int:
        return self._whole("APIDATATOOLS_FILE_BYTES", least=1, most=FILE_BYTES_MAX)

    @property
    def storage_bytes_max(self) -> int:
        return self._whole("APIDATATOOLS_STORAGE_BYTES", least=1)

    @property
    def pending_uploads_max(self) -> int:
        return self._whole("APIDATATOOLS_PENDING_UPLOADS", least=1)

    @property
    def kept_s(self) -> int:
        return self._whole("APIDATATOOLS_KEPT_HOURS", least=1, most=KEPT_HOURS_MAX) * 3_600

    @property
    def units_max(self) -> int:
        return self._whole("APIDATATOOLS_UNITS", least=0)

    @property
    def has_friendly_errors(self) -> bool:
        return self._whole("APIDATATOOLS_FRIENDLY_ERRORS", least=0, most=1) == 1

    @property
    def sync_ms(self) -> int:
        return self._whole("APIDATATOOLS_SYNC_MS", least=0, most=SYNC_MS_MAX)

    @property
    def sync_bytes_max(self) -> int:
        return self._whole("APIDATATOOLS_SYNC_BYTES", least=0)

    @property
    def memory_bytes_max(self) -> int:
        return self._whole("APIDATATOOLS_MEMORY_BYTES", least=1)

    @property
    def cpu_s_max(self) -> int:
        return self._whole("APIDATATOOLS_CPU_S", least=1, most=CPU_S_MAX)

    @property
    def job_s(self) -> int:
        """One attempt's time: the tool's own and that of its file to come."""
        return self.cpu_s_max * 2 + self.fetch_policy.deadline_ms // 1_000
