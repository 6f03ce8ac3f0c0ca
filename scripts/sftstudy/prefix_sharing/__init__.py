"""Prefix sharing: sequences that begin alike are computed once where they are alike.

For both: `trie` (pure Python) lays sequences out, `mask` makes a Hugging Face causal LM attend
along that layout. For trainings: `collator` feeds TRL's `SFTTrainer` with it, `batching` chooses
what meets in a batch. For predictions: `generate` decodes, short replies in `slots`, long ones in
`places` with the help of `drafts`, both by `attention`; `sampling` draws their tokens. All but
`trie`, `batching` and `drafts` import torch: import them where they are used. README.md beside this
file explains the idea; nothing here needs Snakemake.
"""
