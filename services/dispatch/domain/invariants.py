"""What cannot be unless the router has a bug."""


class Broken(Exception):
    """The router contradicts itself. Said at once: going on would decide on nothing for ever."""
