"""The commands of the command line by the words that they are called by, those of groups too."""

from typing import Any


def leaves(group: Any, *before: str) -> dict[str, Any]:
    """Return each command that does something by its words, such as ``experiment size``, in the order of the help."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        words = (*before, name)
        found |= leaves(command, *words) if hasattr(command, "commands") else {" ".join(words): command}
    return found
