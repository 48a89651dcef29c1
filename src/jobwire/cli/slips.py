"""Environment variables that were probably meant as settings: a name with a slip in it sets nothing, silently."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from jobwire.config import SETTINGS

_PREFIX = "JOBWIRE_"
# Read by the client and by commands, which have no settings of a process.
_BESIDE = frozenset({"JOBWIRE_APP", "JOBWIRE_URL", "JOBWIRE_API_KEY"})


def find_slips(names: Iterable[str]) -> Iterator[str]:
    """A sentence for each name that begins like a setting, is none, and is close to one."""
    known = {setting.name for setting in SETTINGS} | _BESIDE
    # Without what all begin with, else every name is close to every other.
    ends = [name.removeprefix(_PREFIX) for name in known]
    for name in sorted(set(names) - known):
        close = get_close_matches(name.removeprefix(_PREFIX), ends, n=1) if name.startswith(_PREFIX) else ()
        for meant in close:
            yield f"the variable {name} sets nothing; did you mean {_PREFIX}{meant}?"
