"""The study's own files that cross a program's border: what they hold.

``shapes``  checks them when they are read back: people edit files
"""

DETERMINES_NO_RESULT = True
