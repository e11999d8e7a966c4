"""Command line arguments of a container as flags and values."""

from auditor.model.objects import JsonObject, list_at


def arguments_of(container: JsonObject) -> dict[str, str]:
    """`flag: value` of `--flag value` and `--flag=value`; a flag that another flag follows has the value `""`."""
    words = [str(word) for word in list_at(container, "command") + list_at(container, "args")]
    found: dict[str, str] = {}
    for word, following in zip(words, [*words[1:], ""], strict=False):
        if word.startswith("-"):
            flag, separator, value = word.partition("=")
            found[flag] = value if separator else "" if following.startswith("-") else following
    return found
