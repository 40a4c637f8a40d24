"""`python -m ml VERB …`, the same as `tomoseg VERB …`."""

import sys

from ml.cli import entry_point

if __name__ == "__main__":
    sys.exit(entry_point())
