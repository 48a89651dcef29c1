"""How any system reads its settings; a system's own settings.py has their table and what each of them means."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar

from jobwire.config import Setting
from jobwire.domain.retry import RetryPolicy
from jobwire.net.policy import FetchPolicy


class SystemSettings:
    """The settings of one house, read when they are asked for; ValueError names what cannot work."""

    table: ClassVar[Sequence[Setting]]

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def check(self) -> None:
        """Read every setting once."""
        for kind in type(self).__mro__:
            for name, value in vars(kind).items():
                if isinstance(value, property | cached_property):
                    getattr(self, name)

    @cached_property
    def fetch_policy(self) -> FetchPolicy:
        """What customers' URLs may reach."""
        return FetchPolicy.from_setting(self._values.get("JOBWIRE_FETCH_ALLOW", ""))

    def _text(self, name: str) -> str:
        default = next(setting.default for setting in self.table if setting.name == name)
        return (self._values.get(name) or default).strip()

    def _whole(self, name: str, *, least: int, most: int | None = None) -> int:
        text = self._text(name)
        if text.isascii() and text.isdecimal() and least <= int(text) and (most is None or int(text) <= most):
            return int(text)
        bounds = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} is {text!r}; it must be a whole number {bounds}")

    def _retry(self, name: str, *, longest_ms: int) -> RetryPolicy:
        """The policy whose first wait is set; no wait is longer than `longest_ms` or that one."""
        first_ms = self._whole(name, least=1)
        return RetryPolicy(first_ms=first_ms, longest_ms=max(first_ms, longest_ms))
