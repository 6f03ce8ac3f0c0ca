"""From the metrics of all trials of a student to the configuration that can be shipped, or none.

``cells``           metrics files as aligned numbers, and which are missing and why
``judging``         gates of one configuration
``gains``           its gains, with and without duplicates
``side_effects``    what training on one task does to everything else
``given``           what the programs that choose and recommend are given
``choosing``        the choice, before replicates are trained and again with the recommendation
``configurations``  what was measured of every configuration
``selection``       minimax regret, the one-standard-error rule, bootstrap, Pareto front
``comparison``      the choice among the complete configurations, and how firm it is
``runs``            the runs of the chosen configuration: its trials and their replicates
``runs_told``       the sentences on them
``sensitivity``     what other gates would have chosen
``effects``         what each hyperparameter does, the others being equal
``names``           the verdicts by name
``verdicts``        which verdict it is, and why each other configuration was not chosen
``reasons``         the sentences that give a verdict's reasons
``changes``         of these, the sentences on gains and side effects
``next_steps``      the sentences that say what to do now
``phrases``         what these sentences share
``document``        the procedure from first to last, and the recommendation document
``headline``        the document in a line, for the end of a run
``markdown``        the document for people
``run_files``       the document as files that TRL, oumi and axolotl run
"""
