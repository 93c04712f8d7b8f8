class StackError(Exception):
    """The stack cannot start or go on; the message is one or two sentences for a person."""
