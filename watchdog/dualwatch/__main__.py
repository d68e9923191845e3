"""``python -m dualwatch``."""

from dualwatch.cli import main

main()
