"""The one exception that users are meant to read."""

DETERMINES_NO_RESULT = True


class StudyError(Exception):
    """A problem that the user can mend.

    The message names the file, row or key, what was found, what was expected and what to do.
    Programs print it without a traceback and exit with status 1 (see `sftstudy.cli.run`).
    """
