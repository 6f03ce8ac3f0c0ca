"""What jobs note about themselves, and what their records tell together.

``record``   of one job: what it was given, what it made of it, with what, and for how long
``lineage``  where a file comes from, and whether it still is what its job made
``kept``     which results were kept though the code of their jobs has changed since
"""

DETERMINES_NO_RESULT = True
