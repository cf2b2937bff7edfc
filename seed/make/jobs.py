"""Writes what the shipped adapters are trained from: for each a folder with train.jsonl, eval.jsonl and job.json.

python jobs.py --out /tmp/jobs
"""

import argparse
import json
from pathlib import Path

import tasks

TRAIN, HELD_OUT = 12_000, 200


def write_rows(path: Path, rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def asked(prompt: str) -> dict:
    return {"role": "user", "content": prompt}


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", type=Path, required=True)
    out = arguments.parse_args().out
    for task in (task for task in tasks.TASKS if task.shipped):
        train, held_out = tasks.split(task, TRAIN, HELD_OUT)
        overlap = {prompt for prompt, _ in train} & {prompt for prompt, _ in held_out}
        assert not overlap, f"{task.name}: held-out prompts occur in training: {overlap}"
        folder = out / task.name
        folder.mkdir(parents=True, exist_ok=True)
        write_rows(folder / "train.jsonl", ({"messages": [asked(p), {"role": "assistant", "content": a}]} for p, a in train))
        write_rows(folder / "eval.jsonl", ({"messages": [asked(p)], "answer": a} for p, a in held_out))
        job = {"title": task.title, "task": task.job, "summary": task.summary, "hyperparameters": task.hyperparameters}
        (folder / "job.json").write_text(json.dumps(job, indent=2) + "\n")
        print(f"{task.name}: {len(train)} rows to train with, {len(held_out)} held out")


if __name__ == "__main__":
    main()
