"""The one exception of the stack, in a module of its own because every other module raises it."""


class StackError(Exception):
    """The stack cannot do what was asked. The message says why and what to do, for a person to read."""


class PortTakenError(StackError):
    """Another process took a port between our choosing it and the server's binding it: choose again."""
