"""Metrics with their uncertainty: estimators, intervals, tests. No module here imports torch.

``metric``         what a task says about a metric
``estimate``       a metric and outcomes to value, n, standard error, interval
``intervals``      point estimates with standard error and 95% interval
``paired``         the gain over the baseline on the same rows
``gates``          what must not be lost, and whether the data prove it
``runs``           gains and gates over several training runs
``score``          the score test of the mean of bounded outcomes
``ppi``            rates of which a person has judged a part: prediction-powered inference
``agreement``      how far two verdicts on the same rows agree
``evidence``       what a p-value says in words
``multiplicity``   several tests at once
``clusters``       means over rows that share a document or database
``resampling``     the cluster bootstrap
``distributions``  the few distribution functions that tests need
``pass_rates``     a model of prompts' pass rates, from which simulations draw
``variances``      its parts, estimated from several replies to each prompt
"""
