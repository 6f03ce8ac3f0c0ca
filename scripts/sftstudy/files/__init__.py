"""Files of the study: read strictly, written complete or not at all, told apart by their hashes.

``reading``      text, JSON and JSON lines, with errors that name file, line and key
``strict_yaml``  YAML that people write, without what it would take in silence
``writing``      text, JSON and JSON lines, atomically
``temporaries``  what a writer fills before it renames it, and what killed writers left
``hashing``      hashes of files, weights and documents; marks of files that may change
``ledger``       what this process has read and written, for its record
``repository``   where this repository is
"""

DETERMINES_NO_RESULT = True
