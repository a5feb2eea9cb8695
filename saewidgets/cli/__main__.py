"""`python -m saewidgets.cli`, where the command itself is not on the path."""

import sys

from saewidgets.cli import main

sys.exit(main())
