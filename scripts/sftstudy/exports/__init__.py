"""What other tools take: model cards for the hub, and task files for lm-eval.

``model_cards``    the card of a checkpoint, with its evaluation
``lm_eval_files``  writes the task files
``lm_eval_hooks``  what the task files call while lm-eval runs
"""
