"""What a child process may use that reads a document, writes its content or prepares one of its pictures."""

from typing import Final

from jobwire.kinds.contract import ChildLimits

CHILD_MEMORY_BYTES_MAX: Final = 1536 * 1024 * 1024
CHILD_CPU_S_MAX: Final = 60
CHILD_WALL_MS_MAX: Final = 120_000

# The dearest that is taken: 0.6 GB and 23 s for a Word file at its limit; for pictures of 50 megapixels with
# transparency 1.2 GB (WebP) and 30 s (PNG), both without compressing.
LIMITS: Final = ChildLimits(
    memory_bytes_max=CHILD_MEMORY_BYTES_MAX, cpu_s_max=CHILD_CPU_S_MAX, wall_ms_max=CHILD_WALL_MS_MAX
)
