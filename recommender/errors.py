"""The small tree of errors: one class per decision a caller can take.

Every error carries a stable `code` (kebab-case, never renamed) that reaches users in problem
documents and command output. Batches return `Rejection` values instead of raising.
"""


class RecommenderError(Exception):
    """The service could not do what was asked.

    Attributes:
        code: Stable machine-readable name of the reason.
    """

    default_code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code


class InvalidInputError(RecommenderError):
    """What was sent breaks a rule; sending it again unchanged cannot work."""

    default_code = "invalid-input"


class NotAllowedError(RecommenderError):
    """The caller is unknown, or known and without the right to do this."""

    default_code = "not-allowed"


class NotFoundError(RecommenderError):
    """The thing named does not exist for this caller."""

    default_code = "not-found"


class UnavailableError(RecommenderError):
    """A part we need does not answer; the same request may work later."""

    default_code = "unavailable"


class InconsistentError(RecommenderError):
    """Stored facts contradict each other; the money path stops at once."""

    default_code = "inconsistent"
