"""What can go wrong with a benchmark.

::

    BenchError
    ├── OptionError      an option or a file that cannot be used
    ├── StartError       a server that does not start
    └── RunFolderError   a run that cannot be written or read
"""


class BenchError(Exception):
    """The root; ``str(error)`` says what was expected, what came and what to do."""


class OptionError(BenchError):
    """An option, or a file it names, cannot be used."""


class StartError(BenchError):
    """A server did not start; says where its log is."""


class RunFolderError(BenchError):
    """A run's folder cannot be written or read."""
