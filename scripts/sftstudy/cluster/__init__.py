"""Running on a Slurm cluster: what differs between clusters, and who may write what.

``site``       what differs between clusters (``profiles/slurm/site.yaml``)
``requests``   what jobs ask the cluster for
``checks``     what would go wrong, found before the first job
``queue``      what Slurm says about jobs
``leftovers``  jobs of a Snakemake that was killed
``owner``      one writer at a time
``gpus``       the GPUs of one machine, shared by jobs that do not know of each other
"""
