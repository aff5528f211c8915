"""`python -m diploma_archive.cli`."""

from diploma_archive.cli import main

main()
