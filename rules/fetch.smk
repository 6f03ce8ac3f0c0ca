# Needs: hub repositories at the revisions of config/sources.lock.yaml, local mirrors or GGUF files, or
# nothing (smoke).
# Makes: results/raw/{dataset} and results/checkpoints/{student}/base, each with SOURCE.json.
#
# All that fetch are local rules: compute nodes need no network. What is locked for a source enters as a
# parameter, not the lock as an input: locking one more source must not fetch the others again.
# Programs that fetch are no inputs either: the checksums of the lock determine what they bring.


rule fetch_dataset:
    input:
        mirror=lambda w: jobs.mirror_files(study.source(w.dataset), w.dataset),
    output:
        directory("<results>/raw/{dataset}"),
    log:
        text="<logs>/raw/{dataset}.log",
        record="<records>/raw/{dataset}.json",
    wildcard_constraints:
        dataset=one_of(study.datasets("hub") + study.datasets("path")),
    retries: 2
    localrule: True
    conda:
        "../envs/fetch.yaml"
    params:
        source=lambda w: as_json(study.source(w.dataset)),
        commit=lambda w: locked["datasets"].get(w.dataset, {}).get("commit", ""),
    message:
        "Fetching the dataset {wildcards.dataset}"
    shell:
        "python scripts/fetch.py --kind datasets --source {params.source:q} --name {wildcards.dataset}"
        " --lock config/sources.lock.yaml --output {output}"
        " --record {log.record} > {log.text} 2>&1"


rule make_smoke_dataset:
    output:
        directory("<results>/raw/{dataset}"),
    log:
        text="<logs>/raw/{dataset}.log",
        record="<records>/raw/{dataset}.json",
    wildcard_constraints:
        dataset=one_of(study.datasets("smoke")),
    localrule: True
    conda:
        "../envs/fetch.yaml"
    params:
        code=lambda w: code_version(*module_files(w.dataset, "smoke")),
        smoke=lambda w: study.source(w.dataset)["smoke"],
    message:
        "Making the smoke source of {wildcards.dataset}"
    shell:
        "python scripts/make_smoke_dataset.py --task {wildcards.dataset}"
        " --seed {params.smoke[seed]} --train {params.smoke[train]} --test {params.smoke[test]}"
        " --output {output}"
        " --record {log.record} > {log.text} 2>&1"


rule fetch_student:
    input:
        folder=lambda w: jobs.mirror_files(study.student(w.student)["source"], w.student),
    output:
        directory("<results>/checkpoints/{student}/base"),
    log:
        text="<logs>/checkpoints/{student}/base.log",
        record="<records>/checkpoints/{student}/base.json",
    wildcard_constraints:
        student=one_of(study.models_of("hub") + study.models_of("path")),
    retries: 2
    localrule: True
    conda:
        "../envs/fetch.yaml"
    params:
        source=lambda w: as_json(study.student(w.student)["source"]),
        commit=lambda w: locked["students"].get(w.student, {}).get("commit", ""),
    message:
        "Fetching the student {wildcards.student}"
    shell:
        "python scripts/fetch.py --kind students --source {params.source:q} --name {wildcards.student}"
        " --lock config/sources.lock.yaml --output {output}"
        " --record {log.record} > {log.text} 2>&1"


# No local rule: it takes as much memory as loading the student in float32.
rule convert_student:
    input:
        file=lambda w: jobs.gguf_file(study, w.student),
    output:
        directory("<results>/checkpoints/{student}/base"),
    log:
        text="<logs>/checkpoints/{student}/base.log",
        record="<records>/checkpoints/{student}/base.json",
    wildcard_constraints:
        student=one_of(study.models_of("gguf")),
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        **site.resources(lambda w: study.student(w.student) | {"gpus": 0}),
    params:
        code=code_version("scripts/convert_student.py"),
    message:
        "Converting {input.file} to the student {wildcards.student}"
    shell:
        "python scripts/convert_student.py --gguf {input.file:q} --output {output}"
        " --record {log.record} > {log.text} 2>&1"


rule build_smoke_student:
    output:
        directory("<results>/checkpoints/{student}/base"),
    log:
        text="<logs>/checkpoints/{student}/base.log",
        record="<records>/checkpoints/{student}/base.json",
    wildcard_constraints:
        student=one_of(study.models_of("smoke")),
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_version("scripts/build_smoke_student.py", lesson_files()),
        smoke=lambda w: study.student(w.student)["source"]["smoke"],
    message:
        "Building the smoke student {wildcards.student} from scratch"
    shell:
        "python scripts/build_smoke_student.py --seed {params.smoke[seed]}"
        " --steps {params.smoke[steps]} --output {output}"
        " --record {log.record} > {log.text} 2>&1"


rule lock_sources:
    log:
        "<logs>/lock_sources.log",
    localrule: True
    conda:
        "../envs/fetch.yaml"
    params:
        sources=as_json(jobs.sources(study)),
    message:
        "Resolving every hub source to a commit and checksums in config/sources.lock.yaml"
    shell:
        "python scripts/lock_sources.py --sources {params.sources:q}"
        " --output config/sources.lock.yaml > {log} 2>&1"
