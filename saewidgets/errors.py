"""Every exception of the package: what was wrong, the value, and what to do.

A message is one or more plain sentences meant for the person at the keyboard; widgets show it as text.
Nothing here imports torch.
"""

import reprlib


class SaewidgetsError(Exception):
    """Base of every error raised on purpose.

    Args:
        what: One sentence that says what is wrong, with the offending value.
        todo: One sentence that says what to do about it.

    Example:
        >>> str(SaewidgetsError("The prompt is empty.", "Type at least one character."))
        'The prompt is empty. Type at least one character.'
    """

    def __init__(self, what: str, todo: str = "") -> None:
        self.what = what
        self.todo = todo
        super().__init__(f"{what} {todo}".strip())


class SiteError(SaewidgetsError):
    """A site that cannot be read, or that this model does not have."""


class FeatureError(SaewidgetsError):
    """A feature id that is malformed, or that no loaded dictionary has."""


class PromptError(SaewidgetsError):
    """A prompt that is empty, too long, or not text."""


class AlignmentError(PromptError):
    """Two prompts that must have equally many tokens, and have not.

    Args:
        what, todo: As of every error.
        pairs: Both prompts token by token, aligned: (of the one, of the other), `""` where it has none.
    """

    def __init__(self, what: str, todo: str = "", pairs: tuple[tuple[str, str], ...] = ()) -> None:
        self.pairs = pairs
        super().__init__(what, todo)


class EditError(SaewidgetsError):
    """An edit that cannot be built, or that does not fit the run."""


class ModelError(SaewidgetsError):
    """A model that cannot be loaded, mapped or traced."""


class DictionaryError(SaewidgetsError):
    """A dictionary file or folder that cannot be loaded without guessing."""


class CorpusError(SaewidgetsError):
    """Text that cannot be read, or that holds nothing."""


class AtlasError(SaewidgetsError):
    """An atlas that is not there, torn, of something else, or in use; or a sweep that cannot go on."""


class LabelError(SaewidgetsError):
    """A label, or a file of labels, that cannot be read; or a judge that answers with something else."""


class TrainingError(SaewidgetsError):
    """A training plan that does not fit together, or a run that cannot go on."""


class CircuitError(SaewidgetsError):
    """An attribution graph that cannot be computed, is not additive, or whose file cannot be read."""


class PayloadError(SaewidgetsError):
    """A payload or a payload file that is damaged or does not fit its declaration."""


class FigureError(SaewidgetsError):
    """A figure or page that cannot be drawn or written."""


class WidgetError(SaewidgetsError):
    """A widget that was asked for something it cannot do."""


class Cancelled(SaewidgetsError):
    """A job that was stopped because a newer one replaced it or the user asked."""


def shorten(value: object, limit: int = 60) -> str:
    """`repr` of a value, cut in the middle so that an error stays one sentence.

    Args:
        value: Anything.
        limit: Greatest length of the result, in characters.

    Returns:
        The printable form, at most `limit` characters long.
    """
    # A stranger's value may be huge: only what can be shown is printed.
    try:
        if isinstance(value, str):
            text = ascii(value if len(value) <= 2 * limit else value[:limit] + value[-limit:])
        else:
            text = reprlib.repr(value)
    except ValueError:  # Python prints no integer of more than 4,300 digits
        text = f"<{type(value).__name__}>"
    text = text.encode("ascii", "backslashreplace").decode()
    if len(text) <= limit:
        return text
    half = (limit - 1) // 2
    return f"{text[:half]}…{text[-half:]}"
