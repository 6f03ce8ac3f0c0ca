"""Bringing datasets and students: from the hub at a locked commit, from a local folder or file.

``source.py``    what a study file says about a source.
``hub.py``       the Hugging Face hub: commits, listings, downloads, readable errors.
``lock.py``      ``config/sources.lock.yaml``: which commit and which bytes.
``student.py``   which files of a model repository are used, and what a student must have.
``snapshot.py``  the pinned folder with its ``SOURCE.json``.
``gguf.py``      the same of a student's GGUF file, which is converted.
``description.py``  what ``SOURCE.json`` says.
"""
