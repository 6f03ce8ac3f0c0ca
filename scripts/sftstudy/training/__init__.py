"""Supervised fine-tuning of one trial: recipe in, checkpoint out.

``trial``          one training from first to last
``job``            what it is given
``trainer``        TRL's trainer for it: tokens, model, layout of batches
``arguments``      a recipe as TRL's arguments
``rows``           the training split as tokens
``trainable``      which weights change: all, or an adapter
``sparing``        what a CPU need not compute
``checkpoint``     the folder that training declares
``facts``          what a training tells about itself
``packages``       what a training rests on
``processes``      several processes of one training
``resume``         saved states, and going on from them
``memory``         the formula of the memory that a training takes
``recomputing``    activations that are computed twice where memory would not hold them
``out_of_memory``  what follows where it does not suffice: the same steps in less
``divergence``     stopping where numbers are no numbers
``flops``          the compute of a training
``tracking``       curves in a tracker
"""
