"""What can go wrong with models.

::

    ModelsError
    ├── UnknownModelError   no model of that name
    ├── WeightsError        weights that cannot be obtained or read, or do not fit
    ├── InputError          an unusable photograph or text
    └── ExportError         an export that cannot be written
"""


class ModelsError(Exception):
    """The root; ``str(error)`` says what was expected, what was received and what to do."""


class UnknownModelError(ModelsError):
    """There is no model of that name."""


class WeightsError(ModelsError):
    """Weights cannot be obtained, cannot be read, or do not fit the architecture."""


class InputError(ModelsError):
    """A photograph or a text cannot be turned into a model's input."""


class ExportError(ModelsError):
    """The export cannot be written."""
