"""`make demo`: the whole protocol, from a tomogram to a figure, through the extension's own operators."""
