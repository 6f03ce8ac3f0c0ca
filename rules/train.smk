# Needs: results/data/{task}/train.jsonl, results/checkpoints/{student}/base.
# Makes: results/recipes/{student}/{task}/{trial}.yaml, results/checkpoints/{student}/{task}/{trial}.


# The recipe stands between the study file and training: its parameters are exactly what it
# says, so a training job runs again only when its own recipe changes.
rule recipe:
    output:
        "<results>/recipes/{student}/{task}/{trial}.yaml",
    log:
        text="<logs>/recipes/{student}/{task}/{trial}.log",
        record="<records>/recipes/{student}/{task}/{trial}.json",
    localrule: True
    conda:
        "../envs/score.yaml"
    params:
        recipe=lambda w: as_json(jobs.recipe(study, w.student, w.task, w.trial)),
    message:
        "Writing the recipe of {wildcards.student} on {wildcards.task}, {wildcards.trial}"
    shell:
        "python scripts/recipe.py --values {params.recipe:q} --output {output}"
        " --record {log.record} > {log.text} 2>&1"


rule train:
    input:
        recipe="<results>/recipes/{student}/{task}/{trial}.yaml",
        train="<results>/data/{task}/train.jsonl",
        lengths="<results>/data/{task}/lengths/{student}.json",
        base="<results>/checkpoints/{student}/base",
    output:
        directory("<results>/checkpoints/{student}/{task}/{trial}"),
    log:
        text="<logs>/checkpoints/{student}/{task}/{trial}.log",
        record="<records>/checkpoints/{student}/{task}/{trial}.json",
    conda:
        "../envs/train.yaml"
    threads: lambda w: study.student(w.student)["cpus"]
    resources:
        **site.resources(lambda w: study.student(w.student)),
        launcher=lambda w: jobs.launcher(study, w.student),
        tracking=study.config["tracking"],
        device=study.config["device"],
    params:
        code=code_version("scripts/train.py"),
        scratch=f"{study.root}/scratch",
        tracking=f"{study.root}/tracking",
    message:
        "Training {wildcards.student} on {wildcards.task}, {wildcards.trial}"
    shell:
        "{resources.launcher} scripts/train.py --recipe {input.recipe} --train {input.train}"
        " --lengths {input.lengths} --base {input.base} --scratch {params.scratch}"
        " --tracking {resources.tracking} --tracking-dir {params.tracking}"
        " --threads {resources.torch_threads} --device {resources.device}"
        " --memory {resources.mem_mb} --output {output}"
        " --record {log.record} > {log.text} 2>&1"
