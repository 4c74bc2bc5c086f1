"""`python -m postroom.cli` is the command `postroom`."""

from postroom.cli import main

main()
