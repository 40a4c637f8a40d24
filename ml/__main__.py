"""`python -m ml VERB …`, the same as `tomoseg VERB …`."""

import sys

from ml.cli import main

sys.exit(main(sys.argv[1:]))
