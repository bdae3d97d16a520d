"""Text that can be printed anywhere."""

_PICTURES = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}
"""What is shown for characters that command a terminal: their pictures, as ``␛``; for those without one ``�``."""


def printable(text: str) -> str:
    """Text that can be printed and encoded, also where a file's name is not valid UTF-8, or commands the terminal."""
    return encodable(text).translate(_PICTURES)


def encodable(text: str) -> str:
    """Text that can be encoded, with "?" for what no file may hold."""
    return text.encode("utf-8", "replace").decode()
