"""The kinds a process knows, and how a typed function becomes one. schema.py reads and writes their JSON."""

import copy
import dataclasses
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, get_args, get_type_hints

import msgspec

from jobwire.domain.errors import RequestError
from jobwire.domain.retry import ATTEMPTS_MAX_LIMIT, RetryPolicy
from jobwire.kinds.caps import make_caps
from jobwire.kinds.contract import ChildLimits, Context, FinalJob, Handler, Isolation, Kind, Queue
from jobwire.kinds.durations import read_duration_ms
from jobwire.kinds.schema import json_schema
from jobwire.kinds.spelling import did_you_mean, name_some, quote

NAME_CHARS_MAX = 64
STAGES_MAX = 50
NAME_SHAPE = re.compile(r"[a-z0-9_.-]{1,64}")
NAME_RULE = f"1 to {NAME_CHARS_MAX} of the characters a-z, 0-9, _ . and -"


class Registry:
    """The kinds by name. Kinds are added at start, before the first job; reading is thread-safe."""

    def __init__(self, kinds: Iterable[Kind] = (), *, queues: Iterable[str | Queue] = ()) -> None:
        self._kinds: dict[str, Kind] = {}
        declared = (Queue(queue) if isinstance(queue, str) else queue for queue in queues)
        self._queues = {queue.name: queue for queue in declared}
        for queue in self._queues:
            check_name(queue, what="queue")
        for kind in kinds:
            self.add(kind)

    def add(self, kind: Kind) -> Kind:
        """Make `kind` known; ValueError if another kind has its name."""
        if kind.name in self._kinds:
            raise ValueError(f"there is a kind {kind.name!r} already; give the second one another name")
        self._kinds[kind.name] = kind
        return kind

    def find(self, name: str) -> Kind | None:
        """The kind of that name, or None."""
        return self._kinds.get(name)

    def get(self, name: str) -> Kind:
        """The kind of that name, or RequestError invalid_request that names the closest one."""
        kind = self._kinds.get(name)
        if kind is None:
            meant = did_you_mean(name, self._kinds) or f"; known here: {name_some(self._kinds)}"
            detail = f"unknown kind {quote(name)}{meant}"
            errors = [{"pointer": "/kind", "detail": detail}]
            raise RequestError("invalid_request", detail, details={"errors": errors})
        return kind

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """All kinds, in the order in which they were added."""
        return tuple(self._kinds.values())

    @property
    def queues(self) -> tuple[str, ...]:
        """Every queue a worker serves here: the kinds' own and those named beside them; sorted."""
        return tuple(sorted(self._queues.keys() | {kind.queue for kind in self._kinds.values()}))

    @property
    def fairness(self) -> Mapping[str, bool]:
        """Whether owners take turns, by queue; they do unless a Queue says otherwise."""
        return {name: name not in self._queues or self._queues[name].fair for name in self.queues}


def make_kind(
    function: Handler,
    name: str | None = None,
    *,
    queue: str = "default",
    attempts: int = 5,
    timeout: str | float = "5m",
    isolation: Isolation = "none",
    stages: Mapping[str, float] | None = None,
    retry: RetryPolicy | None = None,
    max_wait: str | float | None = None,
    running_max: int | None = None,
    key_running_max: int | None = None,
    key_rate: str | None = None,
    limits: ChildLimits | None = None,
    on_final: Callable[[Any, FinalJob], None] | None = None,
    description: str | None = None,
) -> Kind:
    """A kind from a typed function.

    A first parameter named `ctx` or annotated `Context` is given the Context. The others are the fields of the
    input object, with their defaults; a single one annotated with a msgspec.Struct or dataclass takes the whole
    object. `timeout` is one attempt's time: "500ms", "60s", "5m", "1h" or seconds. A submission
    that names no `max_wait` (its longest likely wait, in the same form) has the kind's. `running_max`,
    `key_running_max` and `key_rate` are its caps (caps.py). `name` is the function's own
    unless given; `description` the first line of its docstring. Raises ValueError that says what to change.
    """
    name = getattr(function, "__name__", "") if name is None else name
    check_name(name, what="kind")
    check_name(queue, what=f"queue of kind {name!r}")
    if type(attempts) is not int or not 1 <= attempts <= ATTEMPTS_MAX_LIMIT:
        limit = f"it must be a whole number between 1 and {ATTEMPTS_MAX_LIMIT}"
        raise ValueError(f"kind {name!r} has attempts={attempts!r}; {limit}")
    _check_isolation(function, name=name, isolation=isolation)
    takes_context, fields = _read_signature(function, name)
    whole = _whole_object(fields)
    kind = Kind(
        name=name,
        handler=function,
        input_type=_define_input(function, name=name, fields=fields) if whole is None else whole,
        queue=queue,
        attempts_max=attempts,
        timeout_ms=read_duration_ms(timeout, name=f"timeout of kind {name!r}"),
        isolation=isolation,
        limits=limits or ChildLimits(),
        retry=retry or RetryPolicy(),
        stages=_check_stages(stages, name),
        caps=make_caps(name, running_max=running_max, key_running_max=key_running_max, key_rate=key_rate),
        max_wait_ms=None if max_wait is None else read_duration_ms(max_wait, name=f"max_wait of kind {name!r}"),
        takes_context=takes_context,
        spread_input=whole is None,
        is_async=inspect.iscoroutinefunction(function),
        description=_first_line(function) if description is None else description,
        on_final=on_final,
    )
    _check_schema(kind)
    return kind


def check_name(name: str, *, what: str) -> None:
    """ValueError unless `name` may name a kind or queue."""
    if NAME_SHAPE.fullmatch(name) is None:
        raise ValueError(f"the {what} is named {quote(name)}; a name has {NAME_RULE}")


def _check_isolation(function: Handler, *, name: str, isolation: Isolation) -> None:
    if isolation not in get_args(Isolation):
        raise ValueError(f"kind {name!r} has isolation={isolation!r}; it must be 'none' or 'process'")
    qualname = getattr(function, "__qualname__", "<locals>")
    if isolation == "process" and ("<" in qualname or "." in qualname):
        raise ValueError(
            f"kind {name!r} has isolation='process', but a child process cannot import its handler {qualname!r}; "
            "define the handler with `def` at the top of a module"
        )


def _check_stages(stages: Mapping[str, float] | None, name: str) -> Mapping[str, float] | None:
    if stages is None:
        return None
    if not 1 <= len(stages) <= STAGES_MAX:
        raise ValueError(f"kind {name!r} has {len(stages)} stages; give 1 to {STAGES_MAX}, or none at all")
    for stage, weight in stages.items():
        if not 0 < weight < float("inf"):
            raise ValueError(f"stage {stage!r} of kind {name!r} weighs {weight}; a weight is a number above 0")
    return dict(stages)


def _read_signature(function: Handler, name: str) -> tuple[bool, list[inspect.Parameter]]:
    """Whether the function takes the Context, and its other parameters with their annotations as types."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise ValueError(
            f"the annotations of kind {name!r} cannot be read: {error}; import what they name"
        ) from error
    parameters = list(inspect.signature(function).parameters.values())
    takes_context = bool(parameters) and (parameters[0].name == "ctx" or hints.get(parameters[0].name) is Context)
    fields = []
    for parameter in parameters[1:] if takes_context else parameters:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ValueError(
                f"parameter {str(parameter)!r} of kind {name!r} has no name in JSON; use plain parameters"
            )
        if parameter.name not in hints:
            raise ValueError(f"parameter {parameter.name!r} of kind {name!r} has no type; annotate it")
        fields.append(parameter.replace(annotation=hints[parameter.name]))
    return takes_context, fields


def _whole_object(fields: list[inspect.Parameter]) -> Any:
    """The type of a single Struct or dataclass parameter, which takes the whole input; else None."""
    if len(fields) != 1:
        return None
    wanted = fields[0].annotation
    is_object = isinstance(wanted, type) and (issubclass(wanted, msgspec.Struct) or dataclasses.is_dataclass(wanted))
    if is_object and fields[0].default is not inspect.Parameter.empty:
        raise ValueError(
            f"parameter {fields[0].name!r} takes the whole input and cannot have a default; "
            f"give the defaults to the fields of {wanted.__name__}"
        )
    return wanted if is_object else None


def _define_input(function: Handler, *, name: str, fields: list[inspect.Parameter]) -> type[msgspec.Struct]:
    described: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        (p.name, p.annotation) if p.default is p.empty else (p.name, p.annotation, _default_of(p)) for p in fields
    ]
    # The kind's name makes the definition's name unique in one OpenAPI document.
    return msgspec.defstruct(
        f"{name}.input",
        described,
        module=getattr(function, "__module__", None),
        forbid_unknown_fields=True,
        kw_only=True,
        frozen=True,
    )


def _default_of(parameter: inspect.Parameter) -> Any:
    if isinstance(parameter.default, list | dict | set):
        return msgspec.field(default_factory=partial(copy.deepcopy, parameter.default))
    return parameter.default


def _check_schema(kind: Kind) -> None:
    try:
        json_schema(kind)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the input of kind {kind.name!r} cannot be JSON: {error}") from error


def _first_line(function: Handler) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]
