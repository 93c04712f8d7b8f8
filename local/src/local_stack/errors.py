class StackError(Exception):
    """The stack cannot start or continue. The message is one or two sentences for a person, and names the fix."""
