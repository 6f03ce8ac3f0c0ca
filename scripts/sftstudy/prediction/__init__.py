"""Replies of a checkpoint to the prompts of a suite of eval sets.

``suite``      several eval sets with one checkpoint
``rendering``  prompts as text, and what a judge is shown of others' texts
``journal``    what has been generated already
``maker``      who replies: an engine, its code, the packages that compute
``engine``     what an engine is; ``hf``, ``vllm`` and ``openai`` are three
``packed``     weights laid out for a CPU's products, for ``hf``
``server``     a server of one's own, for ``openai``
"""
