"""Students: models that are fetched, trained and asked.

``chat``         conversations as a chat template renders them, and as tokens
``checkpoints``  loading a checkpoint, counting its weights, noticing that it changes
``smoke``        the smoke student, built from scratch
"""
