"""What jobs note about themselves, and what their records tell together.

``record``   of one job: what it was given, what it made of it, with what, and for how long
``content``  the hash of what a file or folder holds, by which records tell it again
``lineage``  where a file comes from, and whether it still is what its job made
``explain``  the same in words, for one file
``kept``     which results were kept though the code of their jobs has changed since
"""

DETERMINES_NO_RESULT = True
