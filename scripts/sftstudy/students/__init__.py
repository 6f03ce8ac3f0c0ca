"""Students: models that are fetched, trained and asked.

``chat``         conversations as a chat template renders them, and as tokens
``limits``       how long prompts and rows may be: positions, room for a reply
``checkpoints``  a checkpoint as a folder: its fingerprint and sizes, noticing that it changes
``models``       a checkpoint loaded, and the device that it computes on
``smoke``        the smoke student, built from scratch
"""
