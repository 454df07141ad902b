"""Every error this system raises on purpose, in one tree.

    TTTError
    |- ConfigError             a setting, flag or request value is outside its stated range
    |  `- UnknownNameError     a registry has no entry of that name
    |- InputError              a text, file or stream cannot be used as input
    |- NotFoundError           a named session, model, run or corpus does not exist
    |- SignatureMismatchError  saved weights belong to a different model
    |- CorruptArtifactError    bytes on disk differ from their recorded digest or schema
    |- MissingBlobError        a state was pruned; replay computes it again
    |- ConflictError           somebody else committed to the session first
    |- BusyError               somebody else is at work on it; ask again later
    |- StorageError            the disk refused a write or a read (full, read-only, permission)
    |- PredictionError         a model's scores of the next token are not finite
    |- TrainingDivergedError   the training loss is not finite; the last good checkpoint is kept
    |- TrainingStoppedError    a training was interrupted or cancelled; its state is kept
    `- RestoreFailedError      a rollback left state unequal to its snapshot (fatal)

A *refused* or *reverted* change is not an error: it is a `Receipt` (see `ttt/spine/change.py`).
"""


class TTTError(Exception):
    """Base class; catching it catches every deliberate error and nothing else."""


class ConfigError(TTTError):
    """A setting, flag or request value is outside its stated range."""


class UnknownNameError(ConfigError):
    """A registry has no entry of that name.

    Args:
        kind: What the registry holds, e.g. `"backbone"`.
        name: The name that was asked for.
        known: The names that would be right.
    """

    def __init__(self, kind: str, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"Unknown {kind} {name!r}; choose one of: {', '.join(known)}.")
        self.kind = kind
        self.name = name
        self.known = known


class InputError(TTTError):
    """A text, file or stream cannot be used as input."""


class NotFoundError(TTTError):
    """A named artifact does not exist.

    Args:
        kind: What was looked for, e.g. `"text model"`.
        name: The name that was asked for.
        remedy: The command or place that would help; one sentence, may be empty.
    """

    def __init__(self, kind: str, name: str, remedy: str = "") -> None:
        super().__init__(f"No {kind} named {name!r}. {remedy}".rstrip())
        self.kind = kind
        self.name = name


class SignatureMismatchError(TTTError):
    """Saved weights belong to a different model."""


class CorruptArtifactError(TTTError):
    """Bytes on disk differ from their recorded digest or schema."""


class MissingBlobError(TTTError):
    """A state or an input is not there; a pruned state is computed again by replay."""


class ConflictError(TTTError):
    """Somebody else committed to a session first.

    Args:
        session_id: The session.
        built_on: The commit that the refused one was built on.
        head: The commit that is the newest now.
    """

    def __init__(self, session_id: str, *, built_on: int, head: int) -> None:
        super().__init__(
            f"Session {session_id!r} is at commit {head} now, but this request was built on commit "
            f"{built_on}; open the session again and repeat it."
        )
        self.session_id = session_id
        self.built_on = built_on
        self.head = head


class BusyError(TTTError):
    """Somebody else is at work on the same thing; ask again later."""


class StorageError(TTTError):
    """The disk refused a write or a read."""


class TrainingDivergedError(TTTError):
    """The training loss is not finite; the last good checkpoint is kept."""


class TrainingStoppedError(TTTError):
    """A training ended early because somebody asked; its state is kept and can be resumed.

    Args:
        status: `"interrupted"` (by a signal) or `"cancelled"` (by a request).
        message: Where it stands, and the command that goes on.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class PredictionError(TTTError):
    """A model's scores of the next token are not finite; no token is drawn from them."""


class RestoreFailedError(TTTError):
    """A rollback left state unequal to its snapshot; nothing may continue."""
