"""The two ways in which work can fail. Everything else that is raised is a bug."""

from schemas.errors import ErrorCode, describe


class Invalid(Exception):  # noqa: N818 - the two words are names of outcomes
    """The input is wrong and stays wrong: trying again cannot help.

    What follows: the message gets its rejection, the job ends in error, or the bytes go to the dead-letter topic; then
    the message is acknowledged.
    """

    def __init__(self, code: ErrorCode, detail: str = "", advice: str | None = None) -> None:
        """`detail` says which value was found, and where; `advice` what to do, where the code's hint does not fit."""
        # What was found may hold anything; PostgreSQL stores no NUL, and a terminal should see no control character.
        detail = "".join(c if c.isprintable() else "\ufffd" for c in detail)
        super().__init__(describe(code, detail, advice))
        self.code = code
        self.detail = detail


class TryLater(Exception):  # noqa: N818
    """Something outside is not there just now: a server is down, a lock was lost, a deadlock was broken.

    What follows: nothing was written, nothing is acknowledged, and the same message comes again after a pause.
    """
