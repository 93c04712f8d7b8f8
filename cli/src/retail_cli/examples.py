"""The examples at the end of each command's help."""


def examples(*lines: str) -> str:
    """Return the text for `epilog`, one example per line."""
    return "\n\n".join(["Examples:", *(f"  {line}" for line in lines)])
