# Needs: metrics and checkpoints (model cards), test splits (task files).
# Makes: results/model_cards/{student}, results/lm_eval_tasks: what other tools take.
#
# No part of `all`: nothing in the study reads them.


rule model_cards:
    input:
        metrics=lambda w: targets.metrics_files(study, w.student),
        checkpoints=lambda w: targets.checkpoint_folders(study, w.student),
    output:
        directory("<results>/model_cards/{student}"),
    log:
        text="<logs>/model_cards/{student}.log",
        record="<records>/model_cards/{student}.json",
    localrule: True
    conda:
        "../envs/fetch.yaml"
    params:
        code=code_version("scripts/model_cards.py"),
        variants=lambda w: as_json({v: study.evalsets(v) for v in study.variants(w.student)}),
        sources=as_json(jobs.sources(study)["datasets"]),
        results=subpath(output[0], ancestor=2),
    message:
        "Writing the model cards of {wildcards.student}"
    shell:
        "python scripts/model_cards.py --variants {params.variants:q} --sources {params.sources:q}"
        " --metrics-root {params.results}/metrics/{wildcards.student}"
        " --checkpoints-root {params.results}/checkpoints/{wildcards.student}"
        " --output {output}"
        " --record {log.record} > {log.text} 2>&1"


rule lm_eval_tasks:
    input:
        data=expand("<results>/data/{task}/test.jsonl", task=study.tasks),
    output:
        tasks=expand("<results>/lm_eval_tasks/{task}_sft.yaml", task=study.tasks),
        utils="<results>/lm_eval_tasks/utils.py",
    log:
        text="<logs>/lm_eval_tasks.log",
        record="<records>/lm_eval_tasks.json",
    localrule: True
    conda:
        "../envs/score.yaml"
    params:
        code=code_version(
            "scripts/lm_eval_tasks.py",
            [file for task in study.tasks for file in module_files(task, "score")],
        ),
        max_new_tokens=as_json({task: jobs.max_new_tokens(study, task) for task in study.tasks}),
        options=as_json({task: jobs.score_options(study, task) for task in study.tasks}),
        decodings=lambda w: jobs.lm_eval_decodings(study),
        results=subpath(output.utils, ancestor=2),
    message:
        "Writing task files for lm-eval"
    shell:
        "python scripts/lm_eval_tasks.py --data {params.results}/data"
        " --max-new-tokens {params.max_new_tokens:q} --options {params.options:q}"
        " {params.decodings:q} --output-dir {params.results}/lm_eval_tasks"
        " --record {log.record} > {log.text} 2>&1"


rule exports:
    input:
        expand("<results>/model_cards/{student}", student=study.students),
        rules.lm_eval_tasks.output,
    localrule: True
