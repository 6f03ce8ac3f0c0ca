"""Running on a Slurm cluster: what differs between clusters.

``site``       what differs between clusters (``profiles/slurm/site.yaml``)
``requests``   what jobs ask the cluster for
``checks``     what would go wrong, found before the first job
``queue``      what Slurm says about jobs
``leftovers``  jobs of a Snakemake that was killed
``gpus``       the GPUs of one machine, shared by jobs that do not know of each other
"""

DETERMINES_NO_RESULT = True
