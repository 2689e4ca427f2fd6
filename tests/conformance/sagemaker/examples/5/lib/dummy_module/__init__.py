"""A module that comes with the script."""


def split_numbers(line: str) -> list[float]:
    """The numbers of a line of CSV."""
    return [float(value) for value in line.split(",")]
