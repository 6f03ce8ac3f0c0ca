"""Supervised fine-tuning of one trial: recipe in, checkpoint out.

``trial``          one training from first to last
``job``            what it is given
``trainer``        TRL's trainer for it: tokens, model, layout of batches
``arguments``      a recipe as TRL's arguments
``rows``           the training split as tokens
``trainable``      which weights change: all, or an adapter
``checkpoint``     the folder that training declares
``facts``          what a training tells about itself
``packages``       what a training rests on
``processes``      several processes of one training
``resume``         saved states, and going on from them
``out_of_memory``  smaller batches in the same steps
``divergence``     stopping where numbers are no numbers
``flops``          the compute of a training
``tracking``       curves in a tracker
"""
