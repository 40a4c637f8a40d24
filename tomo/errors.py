"""The one kind of error that users read."""


class TomosegError(Exception):
    """One clear sentence for the user: what is wrong, and what to do about it."""
