"""Words of the sentences that users read."""

_HISSING = ("s", "x", "ch", "sh")


def counted(number: int, noun: str) -> str:
    """`1 box`, `2 boxes`; noun: one of them, with what stands before it (`positive box`)."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}{'es' if noun.endswith(_HISSING) else 's'}"
