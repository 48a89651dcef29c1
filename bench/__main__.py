"""`python -m bench`: the measurements (measuring.py), or a study of STUDIES: `python -m bench backlog` and so on."""

import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress

from bench import backlog, fair, measuring, tools, vacuum, webhooks

INTERRUPTED = 130
STUDIES: Mapping[str, Callable[[list[str]], int]] = {
    "backlog": backlog.main,
    "vacuum": vacuum.main,
    "fair": fair.main,
    "webhooks": webhooks.main,
    "tools": tools.main,
}


def main(words: list[str]) -> int:
    """Run what the words ask for; the exit code."""
    # Servers and programs of the run are ended on the way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if words and words[0] in STUDIES:
        return STUDIES[words[0]](words[1:])
    return measuring.main(words)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
    sys.exit(INTERRUPTED)
