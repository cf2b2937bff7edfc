"""Trains patchbay/tiny from scratch and writes it as a Hugging Face checkpoint folder.

python train_base.py --out /tmp/first --tokens 11000000
python train_base.py --out ../base/patchbay-tiny --tokens 4000000 --go-on /tmp/first
"""

import argparse
import json
import time
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

import base_text
import tokenizer as tok

SEQUENCE, BATCH = 256, 32
USER_WEIGHT = 0.1  # a user's words are mostly random: little to learn there


def stream(tokenizer, seed: str):
    """Endless token ids and loss weights of one document after the other."""
    rng = Random(seed)
    ids = {name: tokenizer.token_to_id(name) for name in tok.SPECIAL}
    while True:
        document = base_text.document(rng)
        yield ids[tok.BOS], 0.0
        if isinstance(document, str):
            yield from ((i, 1.0) for i in tokenizer.encode(document, add_special_tokens=False).ids)
            continue
        for role, text in document:
            weight = 1.0 if role == "assistant" else USER_WEIGHT
            yield ids[f"<|{role}|>"], 0.0
            yield from ((i, weight) for i in tokenizer.encode(text, add_special_tokens=False).ids)
            yield ids[tok.END], weight


def batches(tokenizer, seed: str):
    source = stream(tokenizer, seed)
    while True:
        pairs = [next(source) for _ in range(BATCH * (SEQUENCE + 1))]
        ids = torch.tensor([i for i, _ in pairs]).view(BATCH, -1)
        weights = torch.tensor([weight for _, weight in pairs]).view(BATCH, -1)
        yield ids[:, :-1], ids[:, 1:], weights[:, 1:]


def loss_of(model, inputs, targets, weights) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(input_ids=inputs).logits
    losses = cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none")
    return (losses * weights.flatten()).sum() / weights.sum()


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--tokens", type=int, default=10_000_000)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--go-on", type=Path, help="checkpoint to go on from, with its tokenizer and on other text")
    options = arguments.parse_args()
    torch.manual_seed(20261)
    torch.set_num_threads(options.threads)

    tokenizer = Tokenizer.from_file(str(options.go_on / "tokenizer.json")) if options.go_on else tok.build()
    tok.write(tokenizer, options.out)
    config = LlamaConfig(
        vocab_size=tok.VOCABULARY, hidden_size=256, intermediate_size=768, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=512, tie_word_embeddings=True, rms_norm_eps=1e-5, rope_theta=10000.0, bos_token_id=0, eos_token_id=4, pad_token_id=0,
    )
    model = LlamaForCausalLM.from_pretrained(options.go_on, dtype=torch.float32) if options.go_on else LlamaForCausalLM(config)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f}M parameters", flush=True)

    # Muon for the matrices inside the layers, AdamW for embedding and norms.
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim < 2 or "embed" in name]
    optimizers = [
        torch.optim.Muon(matrices, lr=0.01, momentum=0.95, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=0.004, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    steps = options.tokens // (SEQUENCE * BATCH)

    def rate(step: int) -> float:
        """Warm up, hold, then fall to nothing over the last two fifths."""
        return min(1.0, (step + 1) / 100, (steps - step) / (0.4 * steps))

    schedules = [torch.optim.lr_scheduler.LambdaLR(o, rate) for o in optimizers]
    data, began = batches(tokenizer, "patchbay/base/2" if options.go_on else "patchbay/base"), time.time()
    for step in range(steps):
        loss = loss_of(model, *next(data))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        if step % 50 == 0 or step == steps - 1:
            speed = (step + 1) * SEQUENCE * BATCH / (time.time() - began)
            print(f"step {step}/{steps} loss {loss.item():.4f} {speed:.0f} tokens/s", flush=True)
        if (step + 1) % 200 == 0:
            save(model, options.out)
    save(model, options.out)


def save(model, folder: Path) -> None:
    half = LlamaForCausalLM(model.config).half()
    half.load_state_dict({name: value.half() for name, value in model.state_dict().items()})
    if not all(torch.isfinite(p).all() for p in half.parameters()):
        raise SystemExit("a weight does not fit float16")
    half.generation_config = GenerationConfig(bos_token_id=0, eos_token_id=4, pad_token_id=0, max_length=512)
    half.save_pretrained(folder)


if __name__ == "__main__":
    main()
