# Needs: results/checkpoints/{student}/{variant}, the data of the suite's eval sets.
# Makes: results/predictions/{student}/{variant}/{evalset}.jsonl
#
# Three suites, so that a checkpoint is loaded once per suite: `select` chooses between trials,
# `controls` guards, `confirm` is read once, after the choice. The base has a `select` of its own:
# it is compared on every task, a trial only on the task it was trained on.


rule predict_select:
    input:
        checkpoint="<results>/checkpoints/{student}/{task}/{trial}",
        data="<results>/data/{task}/val.jsonl",
    output:
        "<results>/predictions/{student}/{task}/{trial}/{task}.val.jsonl",
    log:
        text="<logs>/predictions/{student}/{task}/{trial}/{task}.select.log",
        record="<records>/predictions/{student}/{task}/{trial}/{task}.select.json",
    conda:
        "../envs/predict.yaml"
    threads: lambda w: study.student(w.student)["cpus"]
    resources:
        # Not {threads}, which shrinks with --cores: results on CPU depend on this number.
        torch_threads=lambda w: study.student(w.student)["cpus"],
        gpu=lambda w: study.predict_gpus(w.student),
        mem_mb=lambda w, attempt: site.mem_mb(study.predict_facts(w.student), attempt),
        runtime=lambda w, attempt: site.minutes(study.predict_facts(w.student), attempt),
        slurm_partition=lambda w: site.place(study.predict_facts(w.student)).partition,
        constraint=lambda w: site.place(study.predict_facts(w.student)).constraint,
        gpu_model=lambda w: site.place(study.predict_facts(w.student)).model,
        slurm_extra=site.signal,
        serve=study.config["serve"] or "",
        requests=study.config["requests"],
        device=study.config["device"],
        batch_size=study.config["batch_size"] or 0,
    params:
        code=lambda w: code_version("scripts/predict.py", [study.engine_file(w.student)]),
        generation=lambda w: as_json(study.generation(w.student)),
        max_new_tokens=lambda w: [study.max_new_tokens(w.task)],
    message:
        "Generating replies with {input.checkpoint}: {output}"
    shell:
        "python scripts/predict.py --checkpoint {input.checkpoint} --data {input.data}"
        " --max-new-tokens {params.max_new_tokens} --generation {params.generation:q}"
        " --gpus {resources.gpu} --serve={resources.serve:q} --requests {resources.requests}"
        " --threads {resources.torch_threads} --device {resources.device}"
        " --batch-size {resources.batch_size} --output {output}"
        " --record {log.record} > {log.text} 2>&1"


use rule predict_select as predict_select_base with:
    input:
        checkpoint="<results>/checkpoints/{student}/base",
        data=expand("<results>/data/{task}/val.jsonl", task=study.tasks),
    output:
        expand("<results>/predictions/{{student}}/base/{task}.val.jsonl", task=study.tasks),
    log:
        text="<logs>/predictions/{student}/base/select.log",
        record="<records>/predictions/{student}/base/select.json",
    params:
        code=lambda w: code_version("scripts/predict.py", [study.engine_file(w.student)]),
        generation=lambda w: as_json(study.generation(w.student)),
        max_new_tokens=[study.max_new_tokens(task) for task in study.tasks],


use rule predict_select as predict_controls with:
    input:
        checkpoint="<results>/checkpoints/{student}/{variant}",
        data=expand("<results>/data/{control}/test.jsonl", control=study.controls),
    output:
        expand(
            "<results>/predictions/{{student}}/{{variant}}/{control}.jsonl",
            control=study.controls,
        ),
    log:
        text="<logs>/predictions/{student}/{variant}/controls.log",
        record="<records>/predictions/{student}/{variant}/controls.json",
    params:
        code=lambda w: code_version("scripts/predict.py", [study.engine_file(w.student)]),
        generation=lambda w: as_json(study.generation(w.student)),
        max_new_tokens=[study.max_new_tokens(control) for control in study.controls],


use rule predict_select as predict_confirm with:
    input:
        checkpoint="<results>/checkpoints/{student}/{variant}",
        data=expand("<results>/data/{task}/test.jsonl", task=study.tasks),
    output:
        expand(
            "<results>/predictions/{{student}}/{{variant}}/{task}.test.jsonl",
            task=study.tasks,
        ),
    log:
        text="<logs>/predictions/{student}/{variant}/confirm.log",
        record="<records>/predictions/{student}/{variant}/confirm.json",
    params:
        code=lambda w: code_version("scripts/predict.py", [study.engine_file(w.student)]),
        generation=lambda w: as_json(study.generation(w.student)),
        max_new_tokens=[study.max_new_tokens(task) for task in study.tasks],
