"""What all tasks' data have in common; what is a task's own stands in `sftstudy.tasks`.

``splits``      rows to train, val and test: stratified, grouped, tail
``duplicates``  equal and nearly equal rows across splits
``lengths``     token counts of rows, and rows that are too long for a student
``card``        counts, label balance and leakage, for people
"""
