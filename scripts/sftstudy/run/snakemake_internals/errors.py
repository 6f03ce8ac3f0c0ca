"""How Snakemake tells the errors that users are meant to read."""

from typing import Any

from sftstudy.errors import StudyError


def tell_plainly() -> None:
    """Have Snakemake print a `StudyError` as our programs do: its sentence, without frames.

    This holds wherever it was raised: while a Snakefile is read, in a hook, or in a function that
    Snakemake calls for a rule, whose error it wraps. Snakemake goes on as after any other error
    (it gives its lock back and exits with status 1); other errors keep what it says of them.
    """
    from snakemake import exceptions

    wrapper, theirs = exceptions.InputFunctionException, exceptions.format_exception_to_string
    wrap = wrapper.__init__

    def keep(self: Any, msg: Any, *args: Any, **named: Any) -> None:
        wrap(self, msg, *args, **named)
        self.wrapped = msg  # `__context__` is overwritten where it is raised again

    def told(ex: BaseException, linemaps: Any = None) -> str:
        cause = unwrapped(ex)
        return f"error: {cause}" if isinstance(cause, StudyError) else theirs(ex, linemaps)

    wrapper.__init__, exceptions.format_exception_to_string = keep, told


def unwrapped(ex: BaseException) -> BaseException:
    """Return the error of a function that Snakemake has called for a rule; others as they are."""
    while isinstance(cause := getattr(ex, "wrapped", None), BaseException):
        ex = cause
    return ex
