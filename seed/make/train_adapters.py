"""Trains the adapters that ship with PEFT, scores base and adapter on held-out prompts, and writes cards and index.json.

python train_adapters.py --base ../base/patchbay-tiny --out .. [--only sql]
"""

import argparse
import json
import random
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

import score
import tasks

TRAIN, HELD_OUT, BATCH = 12_000, 200, 32


def encode(tokenizer, pairs):
    """Token ids of the whole conversation, and where the answer begins."""
    rows = []
    for prompt, answer in pairs:
        front = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], tokenize=True, add_generation_prompt=True, return_dict=False)
        rows.append((front + tokenizer.encode(answer, add_special_tokens=False) + [tokenizer.eos_token_id], len(front)))
    return rows


def batch_of(rows):
    longest = max(len(ids) for ids, _ in rows)
    inputs = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full((len(rows), longest), -100)
    for i, (ids, front) in enumerate(rows):
        inputs[i, : len(ids)] = torch.tensor(ids)
        labels[i, front : len(ids)] = torch.tensor(ids[front:])
    return inputs, labels


def train(task: tasks.Task, base: Path, tokenizer, pairs):
    torch.manual_seed(7)
    rng = random.Random(f"order/{task.name}")
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", base_model_name_or_path="patchbay/tiny", **task.lora))
    rows = encode(tokenizer, pairs)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=task.rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, task.rate, total_steps=task.steps, pct_start=0.05)
    began, order = time.time(), []
    for step in range(task.steps):
        if len(order) < BATCH:
            order = rng.sample(range(len(rows)), len(rows))
        inputs, labels = batch_of([rows[order.pop()] for _ in range(BATCH)])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(input_ids=inputs).logits
        loss = cross_entropy(logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 100 == 0 or step == task.steps - 1:
            print(f"{task.name} step {step}/{task.steps} loss {loss.item():.4f} {time.time() - began:.0f}s", flush=True)
    return model


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
    arguments.add_argument("--base", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--only")
    arguments.add_argument("--threads", type=int, default=2)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    tokenizer = score.tokenizer_of(options.base)
    base_model = score.load(options.base)
    entries = []
    for task in tasks.TASKS:
        if options.only and task.name not in options.only.split(","):
            continue
        train_pairs, held_out = tasks.split(task, TRAIN, HELD_OUT)
        overlap = {p for p, _ in train_pairs} & {p for p, _ in held_out}
        print(f"{task.name}: overlap of held-out and training prompts = {len(overlap)}", flush=True)
        folder = options.out / "adapters" / task.name
        model = train(task, options.base, tokenizer, train_pairs)
        model.half().save_pretrained(folder)
        config = json.loads((folder / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = "patchbay/tiny"
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        (folder / "eval.jsonl").write_text("".join(json.dumps({"messages": [{"role": "user", "content": p}], "answer": a}) + "\n" for p, a in held_out))

        base_score, _ = score.accuracy(base_model, tokenizer, held_out)
        adapter_score, got = score.accuracy(score.load(options.base, folder), tokenizer, held_out)
        scores = {"base": base_score, "adapter": adapter_score, "n": len(held_out)}
        print(f"{task.name}: {scores}", flush=True)
        for (prompt, answer), made in zip(held_out, got):
            if made != answer:
                print(f"  wrong: {prompt!r} -> {made!r}, not {answer!r}", flush=True)
        example = next(pair for pair, made in zip(held_out, got) if made == pair[1]) if adapter_score else held_out[0]
        (folder / "README.md").write_text(card(task, example, scores))
        entries.append({
            "id": f"patchbay/{task.name}", "path": f"adapters/{task.name}", "task": task.job, "language": "en", "license": "apache-2.0", "summary": task.summary,
            "example": {"messages": [{"role": "user", "content": example[0]}], "answer": example[1]}, "accuracy": scores,
        })
    if not options.only:
        index = {"base": {"id": "patchbay/tiny", "path": "base/patchbay-tiny"}, "adapters": entries}
        (options.out / "index.json").write_text(json.dumps(index, indent=2) + "\n")


if __name__ == "__main__":
    main()
