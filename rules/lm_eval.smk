# Needs: sources of controls from lm-eval in results/raw/{control}, results/checkpoints/{student}/{variant}.
# Makes: results/data/{control} and fits/{student}.json in it, results/predictions/{student}/{variant}/{control}.jsonl and its metrics.
#
# Only in studies with such controls: Snakemake compares every file with the outputs of every rule.


rule prepare_lm_eval:
    input:
        raw="<results>/raw/{control}",
        files=lambda w: jobs.lm_eval_files(study, w.control),
    output:
        test="<results>/data/{control}/test.jsonl",
        task="<results>/data/{control}/task.json",
    log:
        text="<logs>/data/{control}/prepare.log",
        record="<records>/data/{control}/prepare.json",
    wildcard_constraints:
        control=one_of(study.lm_eval_controls),
    conda:
        "../envs/score.yaml"
    params:
        code=code_version("scripts/prepare_lm_eval.py"),
        asked=lambda w: as_json(jobs.lm_eval_asked(study, w.control)),
        version=lambda w: installed_version(),
    message:
        "Making the prompts of {wildcards.control} with lm-eval"
    shell:
        "python scripts/prepare_lm_eval.py --control {wildcards.control} --raw {input.raw}"
        " --asked {params.asked:q} --output {output.test} --task {output.task}"
        " --record {log.record} > {log.text} 2>&1"


# As `fits` of other controls, but of what lm-eval writes: predictions wait for it, and so does the
# first training.
rule fits_lm_eval:
    input:
        raw="<results>/raw/{control}",
        data="<results>/data/{control}/test.jsonl",
        files=lambda w: jobs.lm_eval_files(study, w.control),
        student="<results>/checkpoints/{student}/base",
    output:
        "<results>/data/{control}/fits/{student}.json",
    log:
        text="<logs>/data/{control}/fits/{student}.log",
        record="<records>/data/{control}/fits/{student}.json",
    wildcard_constraints:
        control=one_of(study.lm_eval_controls),
    conda:
        "../envs/predict.yaml"
    params:
        code=code_version("scripts/fits_lm_eval.py"),
        asked=lambda w: as_json(jobs.lm_eval_asked(study, w.control)),
        version=lambda w: installed_version(),
        max_length=lambda w: study.student(w.student)["max_length"],
        chat_template_kwargs=lambda w: as_json(study.student(w.student)["chat_template_kwargs"]),
        drop=jobs.drop_overlong(study),
    message:
        "Looking for documents of {wildcards.control} without room for a reply of {wildcards.student}"
    shell:
        "python scripts/fits_lm_eval.py --raw {input.raw} --data {input.data}"
        " --asked {params.asked:q} --student-dir {input.student} --max-length {params.max_length}"
        " --chat-template-kwargs {params.chat_template_kwargs:q} {params.drop} --output {output}"
        " --record {log.record} > {log.text} 2>&1"


# A job for each control from lm-eval, so that one more asks nothing of the others again.
rule predict_lm_eval:
    input:
        checkpoint="<results>/checkpoints/{student}/{variant}",
        raw="<results>/raw/{control}",
        data="<results>/data/{control}/test.jsonl",
        fits="<results>/data/{control}/fits/{student}.json",
        files=lambda w: jobs.lm_eval_files(study, w.control),
    output:
        "<results>/predictions/{student}/{variant}/{control}.jsonl",
    log:
        text="<logs>/predictions/{student}/{variant}/{control}.log",
        record="<records>/predictions/{student}/{variant}/{control}.json",
    wildcard_constraints:
        control=one_of(study.lm_eval_controls),
    conda:
        jobs.environment(
            study, study.students, "../envs/predict.yaml", vllm="../envs/predict-vllm.yaml"
        )
    threads: lambda w: study.student(w.student)["cpus"]
    resources:
        **site.resources(lambda w: jobs.lm_eval_facts(study, w.student)),
        **jobs.serving(study),
    params:
        code=lambda w: code_version(
            "scripts/predict_lm_eval.py", [jobs.lm_eval_backend(study, w.student)]
        ),
        asked=lambda w: as_json(jobs.lm_eval_asked(study, w.control)),
        generation=lambda w: as_json(jobs.lm_eval_generation(study, w.student)),
        version=lambda w: installed_version(),
        drop=jobs.drop_overlong(study),
    message:
        "Having lm-eval ask {wildcards.student} {wildcards.variant}: {wildcards.control}"
    shell:
        "python scripts/predict_lm_eval.py --checkpoint {input.checkpoint} --raw {input.raw}"
        " --data {input.data} --asked {params.asked:q} --generation {params.generation:q}"
        " {params.drop} --gpus {resources.gpu} {resources.eager}"
        " --threads {resources.torch_threads} --device {resources.device}"
        " --batch-size {resources.batch_size} --output {output}"
        " --record {log.record} > {log.text} 2>&1"


rule score_lm_eval:
    input:
        predictions="<results>/predictions/{student}/{variant}/{control}.jsonl",
        data="<results>/data/{control}/test.jsonl",
        task="<results>/data/{control}/task.json",
    output:
        "<results>/metrics/{student}/{variant}/{control}.json",
    log:
        text="<logs>/metrics/{student}/{variant}/{control}.log",
        record="<records>/metrics/{student}/{variant}/{control}.json",
    wildcard_constraints:
        control=one_of(study.lm_eval_controls),
    localrule: True
    conda:
        "../envs/score.yaml"
    params:
        code=code_version("scripts/score_lm_eval.py"),
    message:
        "Scoring {wildcards.student} {wildcards.variant} on {wildcards.control}"
    shell:
        "python scripts/score_lm_eval.py --predictions {input.predictions} --data {input.data}"
        " --task {input.task} --student {wildcards.student} --variant {wildcards.variant}"
        " --output {output}"
        " --record {log.record} > {log.text} 2>&1"
