"""From the metrics of all trials of a student to the configuration that can be shipped, or none.

``cells``        metrics files as aligned numbers, and which are missing and why
``judging``      gates and gains of one configuration
``selection``    minimax regret, the one-standard-error rule, bootstrap, leave-one-task-out, Pareto
``trials``       what was measured of every configuration, and the choice that follows
``sensitivity``  what other gates would have chosen
``verdicts``     the four verdicts and the sentences that give their reasons
``document``     the procedure from first to last, and the recommendation document
``markdown``     the document for people
``run_files``    the choice as files that TRL, oumi and axolotl run
"""
