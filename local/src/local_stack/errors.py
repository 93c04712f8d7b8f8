class StackError(Exception):
    """The stack cannot start or continue. The message is for a person, and names the fix if it is known."""
