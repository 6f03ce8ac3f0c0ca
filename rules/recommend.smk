# Needs: all metrics of a student, its checkpoints for what training cost, and the duplicates of the
#        tasks' data.
# Makes: results/recommendations/{student}.json, .md and the run files; with replicates before that
#        results/choices/{student}.json.
#
# Which replicates there are is known once a configuration is chosen. So the choice is a checkpoint,
# and Snakemake asks `targets.chosen_replicates` again when it is made. All else of the grid is known before,
# and a study without replicates has no checkpoint, with which Snakemake plans twice.


if study.replicates:

    checkpoint choose:
        input:
            metrics=lambda w: targets.choice_metrics_files(study, w.student),
            checkpoints=lambda w: targets.checkpoint_folders(study, w.student),
        output:
            "<results>/choices/{student}.json",
        log:
            text="<logs>/choices/{student}.log",
            record="<records>/choices/{student}.json",
        conda:
            "../envs/score.yaml"
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            code=code_version("scripts/choose.py"),
            plan=lambda w: as_json(choice_plan(study, w.student)),  # not how many replicates
            results=subpath(output[0], ancestor=2),
        message:
            "Choosing the configuration of {wildcards.student} that is trained again"
        shell:
            "python scripts/choose.py --student {wildcards.student} --plan {params.plan:q}"
            " --metrics-root {params.results}/metrics/{wildcards.student}"
            " --checkpoints-root {params.results}/checkpoints/{wildcards.student}"
            " --output {output}"
            " --record {log.record} > {log.text} 2>&1"


rule recommend:
    input:
        metrics=lambda w: targets.metrics_files(study, w.student),
        checkpoints=lambda w: targets.checkpoint_folders(study, w.student),
        choice=["<results>/choices/{student}.json"] if study.replicates else [],
        replicates=lambda w: targets.chosen_replicates(study, w.student, checkpoints),
        duplicates=expand("<results>/data/{task}/duplicates.json", task=study.tasks),
    output:
        json="<results>/recommendations/{student}.json",
        markdown="<results>/recommendations/{student}.md",
        trl="<results>/recommendations/{student}.trl.yaml",
        oumi="<results>/recommendations/{student}.oumi.yaml",
        axolotl="<results>/recommendations/{student}.axolotl.yaml",
    log:
        text="<logs>/recommendations/{student}.log",
        record="<records>/recommendations/{student}.json",
    conda:
        "../envs/score.yaml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=code_version("scripts/recommend.py"),
        plan=lambda w: as_json(recommendation_plan(study, w.student)),
        choice=lambda w, input: [f"--choice={file}" for file in input.choice],
        results=subpath(output.json, ancestor=2),
    message:
        "Choosing a configuration for {wildcards.student}"
    shell:
        "python scripts/recommend.py --student {wildcards.student} --plan {params.plan:q}"
        " --metrics-root {params.results}/metrics/{wildcards.student}"
        " --checkpoints-root {params.results}/checkpoints/{wildcards.student}"
        " --duplicates {input.duplicates} {params.choice:q}"
        " --output {output.json} --markdown {output.markdown} --trl {output.trl}"
        " --oumi {output.oumi} --axolotl {output.axolotl}"
        " --record {log.record} > {log.text} 2>&1"
