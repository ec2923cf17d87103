"""Results of functions kept by the identity of their arguments, as tables cannot be hashed."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def cache_by_identity(most: int = 2) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Keep the last results of a function, at most `most`, for calls with the very same arguments.

    The steps of an output ask for the same part of one report again and again. Neither the arguments nor the result
    may be changed afterwards. They stay in memory until other calls replace them.
    """

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        recent: list[tuple[tuple[object, ...], Result]] = []

        @wraps(function)
        def remembered(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
            given = (*args, *kwargs, *kwargs.values())
            for known, result in tuple(recent):
                if len(known) == len(given) and all(one is other for one, other in zip(known, given, strict=True)):
                    return result
            result = function(*args, **kwargs)
            recent.append((given, result))
            del recent[:-most]
            return result

        return remembered

    return decorate
