"""Words of the sentences that users read."""

_ENDINGS = {"is": "es", "x": "xes", "ss": "sses"}  # axis, box, process; all other nouns of ours take an s


def counted(number: int, noun: str) -> str:
    """`1 box`, `2 boxes`; noun: one of them, with what stands before it (`positive box`)."""
    if number == 1:
        return f"1 {noun}"
    for one, several in _ENDINGS.items():
        if noun.endswith(one):
            return f"{number} {noun.removesuffix(one)}{several}"
    return f"{number} {noun}s"


def both_kinds(positives: int, negatives: int) -> str:
    """`10 positive and 1 negative box`."""
    return f"{positives} positive and {counted(negatives, 'negative box')}"


def judged_on(held_out: int) -> str:
    """Which boxes a Dice is of: so many held-out ones, or, with 0, all of them."""
    return counted(held_out, "held-out box") if held_out else "the boxes that it has learned from"
