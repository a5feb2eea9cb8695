"""Characters that are never drawn raw: control and direction marks have names, spaces have signs.

Both the front end (through `payloads.ts`) and the figures draw token text by this one table, so that a right-to-left
override or a NUL in a prompt is seen and cannot act.
"""

import unicodedata

SPACE, TAB, NEWLINE = "·", "→", "↵"

_NAMED = {
    0x00AD: "SHY", 0x061C: "ALM", 0x180E: "MVS", 0x200B: "ZWSP", 0x200C: "ZWNJ", 0x200D: "ZWJ", 0x200E: "LRM",
    0x200F: "RLM", 0x2028: "LS", 0x2029: "PS", 0x202A: "LRE", 0x202B: "RLE", 0x202C: "PDF", 0x202D: "LRO",
    0x202E: "RLO", 0x2060: "WJ", 0x2066: "LRI", 0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI", 0xFEFF: "BOM",
    0xFFF9: "IAA", 0xFFFA: "IAS", 0xFFFB: "IAT",
}  # fmt: skip
_CONTROL = {code: f"{code:02X}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in (9, 10)}
MARKS: dict[int, str] = dict(sorted({**_CONTROL, **_NAMED}.items()))

# A pile of combining marks on one letter would cover the lines above and below.
MAX_COMBINING = 4


def pieces(text: str) -> list[tuple[str, bool]]:
    r"""Split text into runs that are drawn as they are and marks that are drawn by name.

    Args:
        text: Text of one token.

    Returns:
        `(run, is_mark)` pairs in order; a mark's run is its name, without the frame.

    Example:
        >>> pieces("a\u202eb")
        [('a', False), ('RLO', True), ('b', False)]
    """
    result: list[tuple[str, bool]] = []
    run, combining = "", 0
    for character in text:
        name = MARKS.get(ord(character))
        combining = combining + 1 if unicodedata.combining(character) else 0
        if name is None:
            if combining <= MAX_COMBINING:
                run += character
            continue
        if run:
            result.append((run, False))
            run = ""
        result.append((name, True))
    if run:
        result.append((run, False))
    return result
