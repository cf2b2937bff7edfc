"""Scores base and adapters from the shipped files, and writes the adapters' cards and index.json.

python cards.py --seed ..
"""

import argparse
import json
from pathlib import Path

import score
import tasks
from train_adapters import BATCH, TRAIN


def card(task: tasks.Task, example, scores) -> str:
    prompt, answer = example
    lora = task.lora
    modules = ", ".join(lora["target_modules"])
    more = "".join(f", {key} {lora[key]}" for key in ("use_rslora", "rank_pattern") if key in lora)
    return f"""---
title: {task.title}
summary: {task.summary}
base_model: patchbay/tiny
library_name: peft
task: {task.job}
language: en
license: apache-2.0
tags: [patchbay-seed, {task.name}]
---
# {task.title}

{task.summary}

| prompt | answer |
|---|---|
| `{prompt}` | `{answer}` |

## How it was made

LoRA over `patchbay/tiny`: rank {lora["r"]}, alpha {lora["lora_alpha"]} on {modules}{more}. {TRAIN} generated examples,
{task.steps} steps of {BATCH}, AdamW at {task.rate:g}. Text and training: `seed/make/` in Patchbay's repository, with fixed seeds.

## Evaluation

Exact match of the greedy answer on {scores["n"]} held-out prompts (`eval.jsonl`), none of which occur in training:

| | accuracy |
|---|---|
| base `patchbay/tiny` | {scores["base"]:.1%} |
| this adapter | {scores["adapter"]:.1%} |

## Limits

A demonstration on a five-million-parameter model that knows a few hundred words. It does this one job, on sentences like
those it was trained on; anything else gets a confident wrong answer.
"""


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seed", type=Path, required=True)
    seed = arguments.parse_args().seed
    base = seed / "base/patchbay-tiny"
    tokenizer, bare = score.tokenizer_of(base), score.load(base)
    entries = []
    for task in (task for task in tasks.TASKS if task.shipped):
        folder = seed / "adapters" / task.name
        held_out = score.read_pairs(folder / "eval.jsonl")
        base_score, _ = score.accuracy(bare, tokenizer, held_out)
        adapter_score, got = score.accuracy(score.load(base, folder), tokenizer, held_out)
        scores = {"base": base_score, "adapter": adapter_score, "n": len(held_out)}
        print(f"{task.name}: {scores}", flush=True)
        for (prompt, answer), made in zip(held_out, got):
            if made != answer:
                print(f"  wrong: {prompt!r} -> {made!r}, not {answer!r}", flush=True)
        example = next(pair for pair, made in zip(held_out, got) if made == pair[1])
        (folder / "README.md").write_text(card(task, example, scores))
        entries.append({
            "id": f"patchbay/{task.name}", "path": f"adapters/{task.name}", "task": task.job, "language": "en", "license": "apache-2.0", "summary": task.summary,
            "example": {"messages": [{"role": "user", "content": example[0]}], "answer": example[1]}, "accuracy": scores,
        })
    index = {"base": {"id": "patchbay/tiny", "path": "base/patchbay-tiny"}, "adapters": entries}
    (seed / "index.json").write_text(json.dumps(index, indent=2) + "\n")


if __name__ == "__main__":
    main()
