"""Every error this system raises on purpose, in one tree.

    TTTError
    |- ConfigError             a setting, flag or request value is outside its stated range
    |  `- UnknownNameError     a registry has no entry of that name
    |- InputError              a text, file or stream cannot be used as input
    |- NotFoundError           a named session, model, run or corpus does not exist
    |- SignatureMismatchError  saved weights belong to a different model
    |- CorruptArtifactError    bytes on disk differ from their recorded digest or schema
    |- StorageError            the disk refused a write or a read (full, read-only, permission)
    |- TrainingDivergedError   the training loss is not finite; the last good checkpoint is kept
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


class StorageError(TTTError):
    """The disk refused a write or a read."""


class TrainingDivergedError(TTTError):
    """The training loss is not finite; the last good checkpoint is kept."""


class RestoreFailedError(TTTError):
    """A rollback left state unequal to its snapshot; nothing may continue."""
