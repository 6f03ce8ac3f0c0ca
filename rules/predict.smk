# Needs: results/checkpoints/{student}/{variant}, the data of the suite's eval sets.
# Makes: results/predictions/{student}/{variant}/{evalset}.jsonl
#
# Three suites, so that a checkpoint is loaded once per suite: `select` chooses between trials,
# `controls` guards, `confirm` is read once, after the choice. The base has a `select` of its own:
# it is compared on every task, a trial only on the task it was trained on. Parameters that a variant
# of the rule does not name are those of `predict_select`. `fits` has the same rows dropped as the
# programs drop; it is waited for, so that rows that are too long are found before anything is trained.
# Controls from lm-eval are in no suite: lm-eval loads the checkpoint for each.


rule predict_select:
    input:
        checkpoint="<results>/checkpoints/{student}/{task}/{trial}",
        data="<results>/data/{task}/val.jsonl",
        fits="<results>/data/{task}/fits/{student}.json",
    output:
        "<results>/predictions/{student}/{task}/{trial}/{task}.val.jsonl",
    log:
        text="<logs>/predictions/{student}/{task}/{trial}/{task}.select.log",
        record="<records>/predictions/{student}/{task}/{trial}/{task}.select.json",
    conda:
        jobs.environment(
            study, study.students, "../envs/predict.yaml", vllm="../envs/predict-vllm.yaml"
        )
    threads: lambda w: study.student(w.student)["cpus"]
    resources:
        **site.resources(lambda w: jobs.predict_facts(study, w.student)),
        **jobs.serving(study),
    params:
        code=lambda w: code_version("scripts/predict.py", [jobs.engine_file(study, w.student)]),
        generation=lambda w: as_json(jobs.generation(study, w.student)),
        max_new_tokens=lambda w: [jobs.max_new_tokens(study, w.task)],
        decoding=lambda w: jobs.predict_decoding(study, [w.task]),
        drop=jobs.drop_overlong(study),
    message:
        "Asking {wildcards.student} {wildcards.task}/{wildcards.trial}: {wildcards.task}.val"
    shell:
        "python scripts/predict.py --checkpoint {input.checkpoint} --data {input.data}"
        " --max-new-tokens {params.max_new_tokens} --generation {params.generation:q}"
        " {params.decoding:q} {params.drop}"
        " --gpus {resources.gpu} --serve={resources.serve:q} --requests {resources.requests}"
        " {resources.eager} --threads {resources.torch_threads} --device {resources.device}"
        " --batch-size {resources.batch_size} --memory {resources.mem_mb} --output {output}"
        " --record {log.record} > {log.text} 2>&1"


use rule predict_select as predict_select_base with:
    input:
        checkpoint="<results>/checkpoints/{student}/base",
        data=expand("<results>/data/{task}/val.jsonl", task=study.tasks),
        fits=expand("<results>/data/{task}/fits/{{student}}.json", task=study.tasks),
    output:
        expand("<results>/predictions/{{student}}/base/{task}.val.jsonl", task=study.tasks),
    log:
        text="<logs>/predictions/{student}/base/select.log",
        record="<records>/predictions/{student}/base/select.json",
    params:
        max_new_tokens=[jobs.max_new_tokens(study, task) for task in study.tasks],
        decoding=lambda w: jobs.predict_decoding(study, study.tasks),
    message:
        "Asking {wildcards.student} base: val of all tasks"


use rule predict_select as predict_controls with:
    input:
        checkpoint="<results>/checkpoints/{student}/{variant}",
        data=expand("<results>/data/{control}/test.jsonl", control=study.own_controls),
        fits=expand("<results>/data/{control}/fits/{{student}}.json", control=study.own_controls),
    output:
        expand(
            "<results>/predictions/{{student}}/{{variant}}/{control}.jsonl",
            control=study.own_controls,
        ),
    log:
        text="<logs>/predictions/{student}/{variant}/controls.log",
        record="<records>/predictions/{student}/{variant}/controls.json",
    params:
        max_new_tokens=[jobs.max_new_tokens(study, control) for control in study.own_controls],
        decoding=lambda w: jobs.predict_decoding(study, study.own_controls),
    message:
        "Asking {wildcards.student} {wildcards.variant}: controls"


use rule predict_select as predict_confirm with:
    input:
        checkpoint="<results>/checkpoints/{student}/{variant}",
        data=expand("<results>/data/{task}/test.jsonl", task=study.tasks),
        fits=expand("<results>/data/{task}/fits/{{student}}.json", task=study.tasks),
    output:
        expand(
            "<results>/predictions/{{student}}/{{variant}}/{task}.test.jsonl",
            task=study.tasks,
        ),
    log:
        text="<logs>/predictions/{student}/{variant}/confirm.log",
        record="<records>/predictions/{student}/{variant}/confirm.json",
    params:
        max_new_tokens=[jobs.max_new_tokens(study, task) for task in study.tasks],
        decoding=lambda w: jobs.predict_decoding(study, study.tasks),
    message:
        "Asking {wildcards.student} {wildcards.variant}: test of all tasks"
