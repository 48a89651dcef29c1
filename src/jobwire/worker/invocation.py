"""Module-level functions by name, their argument and result as JSON by annotation. Both sides of a fork use it."""

import inspect
import re
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, get_type_hints

import msgspec

from jobwire.domain.errors import JobError

MAIN_MODULE = "__jobwire_main__"

_SHAPE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def target_of(function: Callable[..., Any]) -> str:
    """The function's "package.module:name"; ValueError for one that another process cannot import."""
    target = f"{getattr(function, '__module__', None)}:{getattr(function, '__qualname__', function)}"
    check_target(target)
    return target


def check_target(target: str) -> None:
    """ValueError unless `target` reads "package.module:function"."""
    if _SHAPE.fullmatch(target) is None:
        raise ValueError(
            f"{target!r} cannot run in a child process; name a function defined with `def` at the top of a module, "
            "as 'package.module:function'"
        )


def resolve_target(target: str) -> Callable[..., Any]:
    """The function of that name; ImportError or AttributeError when there is none."""
    module_name, name = target.split(":")
    module = sys.modules[MAIN_MODULE] if module_name == "__main__" else import_module(module_name)
    function = getattr(module, name)
    if not callable(function):
        raise TypeError(f"{target!r} is {type(function).__name__}, not a function")
    return function  # type: ignore[no-any-return]


def decode_argument(function: Callable[..., Any], text: str | bytes) -> Any:
    """The JSON text as the function's one parameter wants it; JobError `invalid_input` when it does not fit."""
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 1 or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise TypeError(f"{function.__qualname__} takes {len(parameters)} parameters; an isolated function takes one")
    wanted = get_type_hints(function, include_extras=True).get(parameters[0].name, Any)
    try:
        return msgspec.json.decode(text, type=wanted)
    except (msgspec.DecodeError, RecursionError) as error:
        raise JobError("invalid_input", f"The work's input does not fit: {error}") from error


def decode_result(function: Callable[..., Any], text: str) -> Any:
    """The function's result from its JSON text, as the function's annotation says."""
    wanted = get_type_hints(function, include_extras=True).get("return", Any)
    return msgspec.json.decode(text, type=wanted)
