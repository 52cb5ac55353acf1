"""Texts in files that people open in a spreadsheet: none may become a formula. Pure.

Source: OWASP, CSV injection: a cell that begins with = + - @, tab or carriage return is preceded by
an apostrophe. Numbers stay numbers. Whatever went in comes back out of `cell_text`.
"""

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")


def safe_cell(value: object) -> object:
    """Return a value as it may stand in a cell; only a dangerous text is changed."""
    if isinstance(value, str) and value.startswith(_DANGEROUS):
        return f"'{value}"
    return value


def cell_text(text: str) -> str:
    """Return the text that `safe_cell` was given."""
    return text.removeprefix("'")
