"""The study's own files that cross a program's border: what each holds, and its reader.

``shapes``          checks a file against its shape when it is read: people edit files
``rows``            data/{task}/{split}.jsonl
``lengths``         data/{task}/lengths/{student}.json
``fits``            data/{dataset}/fits/{student}.json
``card``            data/{task}/card.json
``duplicates``      data/{task}/duplicates.json
``source``          SOURCE.json of a snapshot or student
``lock``            config/sources.lock.yaml
``recipe``          recipes/{student}/{task}/{trial}.yaml; ``recipe_file`` reads it
``provenance``      provenance.json of a trained checkpoint
``removed``         WEIGHTS_REMOVED.json of a checkpoint
``replies``         predictions/{student}/{variant}/{evalset}.jsonl
``metrics``         metrics/{student}/{variant}/{evalset}.json
``plan``            plan.json, and the plan of a recommendation
``choice``          choices/{student}.json
``recommendation``  recommendations/{student}.json
``retained``        retained/{student}.json
``record``          records/**/*.json
``kept``            kept.json

A shape has the keys that its file is written with. A key that is added later, when there are files
without it, is `NotRequired`: weeks of training must not become unreadable.
"""

DETERMINES_NO_RESULT = True
