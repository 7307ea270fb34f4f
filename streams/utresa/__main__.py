"""`python -m utresa` is `utresa`."""

from utresa.cli import main

main()
