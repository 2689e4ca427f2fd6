"""What can go wrong with a benchmark.

::

    BenchError
    ├── OptionError      an unusable option or file
    ├── StartError       a server that fails to start
    └── RunFolderError   a run that cannot be written or read
"""


class BenchError(Exception):
    """The root; ``str(error)`` says what was expected, what was received and what to do."""


class OptionError(BenchError):
    """An option, or a file it names, cannot be used."""


class StartError(BenchError):
    """A server did not start; the message says where its log is."""


class RunFolderError(BenchError):
    """A run's folder cannot be written or read."""
