"""Tasks of lm-eval as controls: lm-eval asks and scores, on documents of a pinned source.

``task``      a task of lm-eval over a fetched folder
``rows``      its prompts as rows, and what it measures
``lengths``   how many tokens it asks of a student, and which documents are too long
``evaluate``  has lm-eval evaluate a checkpoint, and writes what came of each document
``hf``, ``vllm``  the checkpoint as a model of lm-eval, by the student's engine
``thinking``  what both tell lm-eval of the chat template
"""
