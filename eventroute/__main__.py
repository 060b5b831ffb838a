"""`python -m eventroute` is the command `eventroute`."""

from eventroute.cli import main

main()
