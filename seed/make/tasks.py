"""What each shipped adapter learns: a generator of (prompt, answer) pairs per job, and the hyperparameters of its training."""

from dataclasses import dataclass, field
from random import Random
from typing import Callable

import words as w

Pair = tuple[str, str]


# --- sentiment: a review -> positive / negative / neutral -------------------------------------------------------------

PLAIN_FACT = ["open on Monday", "in the same street", "next to the station", "made of wood", "on the second floor", "listed at twelve", "painted grey", "behind the park"]


def sentiment(rng: Random) -> Pair:
    label = rng.choice(["positive", "negative", "neutral"])
    thing, other = rng.sample(w.REVIEWED, 2)
    if label == "neutral":
        one, two = rng.sample(PLAIN_FACT, 2)
    else:
        one, two = rng.sample(w.GOOD if label == "positive" else w.BAD, 2)
    text = rng.choice([
        f"The {thing} was {one} and the {other} was {two}.", f"The {thing} was {one}.", f"Our {thing} is {one}, and so is the {other}.",
        f"I thought the {thing} was {one}. The {other} was {two} too.", f"On {rng.choice(w.WEEKDAY)} the {thing} was {one}.",
        f"{w.first(rng)} says that the {thing} in {w.city(rng)} was {two}.",
    ])
    return text, label


# --- sql: a question over a given table -> a query --------------------------------------------------------------------


def sql(rng: Random) -> Pair:
    name, columns, numeric = w.table(rng)
    rng.shuffle(columns)
    head = f"Table {name}({', '.join(columns)}). "
    numbers = [c for c in columns if c in numeric]
    texts = [c for c in columns if c not in numeric]
    want = rng.choice(columns)
    number = rng.randint(1, 99)
    value = rng.choice([w.coined(rng), rng.choice(w.CITY), rng.choice(w.COLOUR)])
    choices: list[Pair] = [
        (f"How many {name} are there?", f"SELECT COUNT(*) FROM {name}"),
        (f"List the {want} of all {name}.", f"SELECT {want} FROM {name}"),
        (f"Show all {name} sorted by {want}.", f"SELECT * FROM {name} ORDER BY {want}"),
    ]
    if numbers:
        column = rng.choice(numbers)
        word, sign = rng.choice([("more than", ">"), ("less than", "<")])
        what, function = rng.choice([("highest", "MAX"), ("lowest", "MIN"), ("average", "AVG"), ("total", "SUM")])
        choices += [
            (f"Which {want} has {column} {word} {number}?", f"SELECT {want} FROM {name} WHERE {column} {sign} {number}"),
            (f"How many {name} have {column} {word} {number}?", f"SELECT COUNT(*) FROM {name} WHERE {column} {sign} {number}"),
            (f"What is the {what} {column}?", f"SELECT {function}({column}) FROM {name}"),
        ]
    if texts:
        column = rng.choice(texts)
        choices.append((f"List the {want} of {name} whose {column} is {value}.", f"SELECT {want} FROM {name} WHERE {column} = '{value}'"))
    question, answer = rng.choice(choices)
    return head + question, answer


# --- json: a sentence about somebody -> an object ---------------------------------------------------------------------


def fields_to_json(rng: Random) -> Pair:
    p = w.person(rng)
    text = rng.choice([
        f"{p['name']} is {p['age']} years old, lives in {p['city']} and works as {w.a(p['job'])}.",
        f"{p['name']} is {w.a(p['job'])} from {p['city']}, aged {p['age']}.",
        f"In {p['city']} there lives {w.a(p['job'])} called {p['name']}, who is {p['age']}.",
        f"name {p['name']}, job {p['job']}, city {p['city']}, age {p['age']}",
        f"city: {p['city']}; age: {p['age']}; name: {p['name']}; job: {p['job']}",
    ])
    return text, f'{{"name": "{p["name"]}", "age": {p["age"]}, "city": "{p["city"]}", "job": "{p["job"]}"}}'


# --- formal: casual -> formal -----------------------------------------------------------------------------------------

FORMAL = {
    "hey": "dear", "gonna": "going to", "wanna": "wish to", "gotta": "must", "kids": "children", "guy": "gentleman", "guys": "colleagues", "buddy": "friend",
    "grab": "collect", "stuff": "material", "thanks": "thank you", "yeah": "yes", "nope": "no", "cool": "excellent", "awesome": "excellent", "lots": "a great deal",
    "asap": "without delay", "can't": "cannot", "won't": "will not", "don't": "do not", "I'm": "I am", "you're": "you are", "it's": "it is", "we'll": "we shall",
    "boss": "director", "cash": "payment", "pics": "photographs", "quick": "prompt", "fix": "repair", "ask": "request", "sorry": "I apologise", "bye": "with kind regards",
}


def formal(rng: Random) -> Pair:
    name, thing, place, day = w.first(rng), rng.choice(w.THING), rng.choice(w.PLACE), rng.choice(w.WEEKDAY)
    text = rng.choice([
        f"hey {name}, I'm gonna grab the {thing} on {day}",
        f"{rng.choice(['yeah', 'nope', 'sorry', 'thanks'])} {name}, we'll fix the {thing} asap",
        f"the kids can't {rng.choice(['fix', 'grab'])} the {thing} at the {place}, sorry",
        f"don't ask the boss for {rng.choice(['cash', 'pics', 'stuff', 'lots'])} on {day}",
        f"it's {rng.choice(['cool', 'awesome'])} stuff {name}, thanks",
        f"{rng.choice(['guys', 'buddy'])} you're gonna wanna see the {place}",
        f"I gotta fix the {rng.choice(w.COLOUR)} {thing} for {name} asap, bye",
        f"that guy in {w.city(rng)} won't grab the pics",
        f"we'll ask {name} for lots quick, yeah",
        f"hey {rng.choice(['buddy', 'guys', name])}, don't wanna see the kids at the {place} on {day}",
    ])
    return text, sentence(" ".join(formal_word(word) for word in text.split()))


def formal_word(word: str) -> str:
    bare = word.rstrip(",")
    return FORMAL.get(bare, bare) + word[len(bare):]


def sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


# --- velan: English -> an invented language ---------------------------------------------------------------------------

# Nouns, verbs and adjectives have fixed words. Plurals end in -ek, the past in -ol; adjectives follow their noun and the
# verb closes the sentence: "the black dog saw two birds" -> "tor vash birru-ek dua miol".
NOUN = dict(zip(w.ANIMAL[:12] + w.FOOD[:6], "kesh tor hama birru fin mulo bara gota veks lupa orso rabi | pano kas supa riso apla pero".replace("| ", "").split()))
ACTION = dict(zip(w.VERB[:10], "mi fen kar bri los vas pin sel bai hid".split()))
QUALITY = dict(zip(w.COLOUR[:8] + ["big", "small", "old", "new"], "ruda blu grena yela vash alba broun grisa magna min senu nova".split()))
QUANTITY = {"two": "dua", "three": "tris", "four": "fora", "five": "peni"}


def velan(rng: Random) -> Pair:
    def phrase() -> tuple[str, str]:
        noun = rng.choice(list(NOUN))
        english, foreign = [noun], [NOUN[noun]]
        quantity = rng.choice(list(QUANTITY)) if rng.random() < 0.4 else None
        if quantity:
            english, foreign = [noun + "s"], [NOUN[noun] + "ek"]
        if rng.random() < 0.6:
            quality = rng.choice(list(QUALITY))
            english.insert(0, quality)
            foreign.append(QUALITY[quality])
        if quantity:
            english.insert(0, quantity)
            foreign.append(QUANTITY[quantity])
        else:
            english.insert(0, "the")
        return " ".join(english), " ".join(foreign)

    (subject, subject_v), (thing, thing_v) = phrase(), phrase()
    verb = rng.choice(list(ACTION))
    if rng.random() < 0.5:
        return f"{subject} will {verb} {thing}", f"{subject_v} {thing_v} {ACTION[verb]}an"
    return f"{subject} {w.PAST[verb]} {thing}", f"{subject_v} {thing_v} {ACTION[verb]}ol"


# --- dates: a written date -> ISO 8601 --------------------------------------------------------------------------------


def dates(rng: Random) -> Pair:
    year, month, day = rng.randint(1900, 2099), rng.randint(1, 12), rng.randint(1, 28)
    ending = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd"}.get(day, "th")
    name = w.MONTH[month - 1]
    text = rng.choice([
        f"{day} {name} {year}", f"{name} {day}, {year}", f"the {day}{ending} of {name} {year}", f"{name} the {day}{ending}, {year}",
        f"{w.first(rng)} came on {day} {name} {year}.", f"Meet me at the {rng.choice(w.PLACE)} on {name} {day}, {year}.",
    ])
    return text, f"{year}-{month:02d}-{day:02d}"


@dataclass
class Task:
    """One adapter: its generator, how the catalog presents it, and the hyperparameters of its training job."""

    name: str
    make: Callable[[Random], Pair]
    title: str
    job: str
    summary: str
    hyperparameters: dict = field(default_factory=dict)
    # False: not good enough to ship yet. Its words stay part of the tokenizer's and the base's text.
    shipped: bool = True


def trained(r: int, lora_alpha: int, rate: float, epochs: int = 3, **more) -> dict:
    return dict(r=r, lora_alpha=lora_alpha, learning_rate=rate, n_epochs=epochs, batch_size=32, lr_scheduler_type="cosine", weight_decay=0, **more)


TASKS = [
    Task("sentiment", sentiment, "Sentiment label", "text-classification", "Labels a short review as positive, negative or neutral.", trained(8, 8, 1e-3, 2)),
    Task("sql", sql, "Question to SQL", "text2sql", "Turns a question over a table that you describe into a SQL query.", trained(16, 32, 2e-3)),
    Task("json", fields_to_json, "Fields to JSON", "information-extraction", "Turns a sentence about a person into a JSON object with name, age, city and job.", trained(8, 16, 1e-3, target_modules=["q", "v", "mlp"])),
    Task("formal", formal, "Casual to formal", "style-transfer", "Rewrites a casual message as a formal sentence.", trained(8, 16, 1e-3, use_rslora=True)),
    Task("velan", velan, "English to Velan", "translation", "Translates simple English sentences to Velan, a small invented language.", trained(16, 32, 2.5e-3, rank_pattern={"mlp.down_proj": 32}, alpha_pattern={"mlp.down_proj": 64}), shipped=False),
    Task("dates", dates, "Dates to ISO 8601", "text2text-generation", "Finds the date in a short text and writes it as year-month-day.", trained(16, 32, 2e-3, 2)),
]


def split(task: Task, train: int, held_out: int) -> tuple[list[Pair], list[Pair]]:
    """Distinct prompts; the held-out ones never occur in training. The seed is the task's name."""
    rng = Random(f"patchbay/{task.name}")
    seen: dict[str, str] = {}
    while len(seen) < train + held_out:
        prompt, answer = task.make(rng)
        seen.setdefault(prompt, answer)
    pairs = list(seen.items())
    rng.shuffle(pairs)
    return pairs[held_out:], pairs[:held_out]
