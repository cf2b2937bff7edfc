"""What the base model reads: plain documents, and conversations that practise general skills.

None of the adapters' jobs occurs here. The base learns to copy, to look things up in a passage, to follow small
instructions and to write a few formats; that SQL, JSON and feelings exist, but never that a message asks for them.
"""

from random import Random

import tasks
import words as w

Turn = tuple[str, str]

# Every word that an adapter will have to write. The base meets them only as words to spell and to copy: a token that
# was never seen keeps its random embedding, and no adapter of the layers can make the frozen head tell it from another.
LEXICON = sorted(
    {"positive", "negative", "neutral"}
    | {word for phrase in [*tasks.FORMAL, *tasks.FORMAL.values()] for word in phrase.split()}
    | {stem + ending for stem in tasks.NOUN.values() for ending in ("", "ek")}
    | {stem + ending for stem in tasks.ACTION.values() for ending in ("an", "ol")}
    | {*tasks.QUALITY.values(), *tasks.QUANTITY.values(), *w.GOOD, *w.BAD, *w.REVIEWED, *w.MONTH}
)


def any_word(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.4:
        return w.coined(rng)
    return rng.choice(LEXICON if kind < 0.8 else w.THING + w.ANIMAL + w.COLOUR)


# --- plain documents -------------------------------------------------------------------------------------------------


def story(rng: Random) -> str:
    name, friend, place = w.first(rng), w.first(rng), rng.choice(w.PLACE)
    thing, colour, verb = rng.choice(w.THING), rng.choice(w.COLOUR), rng.choice(w.VERB)
    lines = [
        f"{name} went to the {place} on {rng.choice(w.WEEKDAY)}.",
        f"{name} {w.PAST[verb]} {w.a(colour)} {thing} there.",
        f"It was {rng.choice(w.SIZE)} and {rng.choice(w.SIZE)}.",
        f"{friend} wanted to {rng.choice(w.VERB)} the {thing} too.",
        f'"This is my {thing}," said {name}.',
        f"Then {friend} gave {name} {w.a(rng.choice(w.FOOD))}.",
        f"In the end {name} and {friend} walked home from the {place}.",
    ]
    return " ".join(lines[: rng.randint(3, 7)])


GLAD = ["I was happy all day.", "I smiled.", "We will come again.", "I want more of it.", "Everybody was pleased.", "It made my day."]
SORRY = ["I was angry all day.", "I frowned.", "We will never come again.", "I want my money back.", "Everybody was upset.", "It ruined my day."]


def opinion(rng: Random) -> str:
    """Ties words of praise and of complaint to what follows from them."""
    good = rng.random() < 0.5
    words, after = (w.GOOD, GLAD) if good else (w.BAD, SORRY)
    thing = rng.choice(w.REVIEWED)
    one, two = rng.sample(words, 2)
    opening = rng.choice([f"The {thing} was {one}.", f"What {w.a(one)} {thing}!", f"I found the {thing} {one} and {two}.", f"The {thing} was {one} and the {rng.choice(w.REVIEWED)} was {two}."])
    return f"{opening} {rng.choice(after)} {rng.choice(after)}"


def sql(rng: Random) -> str:
    lines = []
    for _ in range(rng.randint(1, 3)):
        name, columns, numeric = w.table(rng)
        column, other = rng.sample(columns, 2)
        number, tail = rng.randint(1, 99), ""
        if rng.random() < 0.7:
            tail = f" WHERE {other} {rng.choice('<>=')} {number}" if other in numeric else f" WHERE {other} = '{w.coined(rng)}'"
        if rng.random() < 0.3:
            tail += f" ORDER BY {column}{rng.choice(['', ' DESC'])} LIMIT {rng.randint(1, 9)}"
        what = rng.choice(["*", column, f"{column}, {other}", "COUNT(*)", f"MAX({column})", f"MIN({column})", f"AVG({column})", f"SUM({column})"])
        lines.append(f"SELECT {what} FROM {name}{tail};")
    return "\n".join(lines)


def json_text(rng: Random) -> str:
    keys = w.some(rng, ["id", "title", "colour", "place", "tag", "owner", "year", "kind", "name", "city", "age", "job", "size"], 2, 4)
    numbers = {"id", "year", "age", "size"}
    pairs = [f'"{key}": {rng.randint(1, 99)}' if key in numbers else f'"{key}": "{rng.choice([w.coined(rng), rng.choice(w.THING), w.full_name(rng)])}"' for key in keys]
    return "{" + ", ".join(pairs) + "}"


def diary(rng: Random) -> str:
    return "\n".join(
        f"{rng.randint(1990, 2029)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d} {rng.choice(w.FOOD)} at the {rng.choice(w.PLACE)}" for _ in range(rng.randint(1, 4))
    )


def rhyme(rng: Random) -> str:
    """Strings of made-up words, each said twice: practice in spelling and in copying."""
    line = [any_word(rng) for _ in range(rng.randint(3, 7))]
    return " ".join(line) + ".\n" + " ".join(line) + "."


PLAIN = [(story, 3), (opinion, 3), (sql, 2), (json_text, 2), (diary, 1), (rhyme, 3)]


# --- conversations ---------------------------------------------------------------------------------------------------


def biography(rng: Random, p: dict[str, str]) -> str:
    return rng.choice([
        f"{p['name']} is {p['age']} years old, lives in {p['city']} and works as {w.a(p['job'])}.",
        f"{p['name']} is {w.a(p['job'])} from {p['city']}, aged {p['age']}.",
        f"In {p['city']} there lives {w.a(p['job'])} called {p['name']}, who is {p['age']}.",
        f"At {p['age']}, {p['name']} has a job as {w.a(p['job'])} in {p['city']}.",
    ])


QUESTION = {
    "name": ["Who is this?", "What is the name?"], "age": ["How old?", "What is the age?"],
    "city": ["Which city?", "Where?"], "job": ["What is the job?", "What work is it?"],
}


def look_up(rng: Random) -> list[Turn]:
    p = w.person(rng)
    turns: list[Turn] = []
    for i, key in enumerate(w.some(rng, list(p), 1, 3)):
        question = rng.choice(QUESTION[key])
        turns += [("user", f"{biography(rng, p)} {question}" if i == 0 else question), ("assistant", p[key])]
    return turns


def form(rng: Random) -> list[Turn]:
    """Several fields in the asked order, in an asked format (never JSON)."""
    p = w.person(rng)
    keys = w.some(rng, list(p), 2, 4)
    style = rng.choice(["commas", "dashes", "lines", "labels", "brackets"])
    answer = {
        "commas": ", ".join(p[k] for k in keys), "dashes": " - ".join(p[k] for k in keys), "lines": "\n".join(p[k] for k in keys),
        "labels": "; ".join(f"{k}: {p[k]}" for k in keys), "brackets": "".join(f"[{k} {p[k]}]" for k in keys),
    }[style]
    return [("user", f"Give {', '.join(keys)} with {style}. {biography(rng, p)}"), ("assistant", answer)]


def who_has(rng: Random) -> list[Turn]:
    people = [w.first(rng) for _ in range(rng.randint(2, 4))]
    things = rng.sample(w.THING, len(people))
    colours = [rng.choice(w.COLOUR) for _ in people]
    passage = " ".join(f"{p} has {w.a(c)} {t}." for p, c, t in zip(people, colours, things))
    i = rng.randrange(len(people))
    question, answer = rng.choice([
        (f"Who has the {things[i]}?", people[i]), (f"What does {people[i]} have?", f"{w.a(colours[i])} {things[i]}"), (f"What colour is the {things[i]}?", colours[i]),
    ])
    return [("user", f"{passage} {question}"), ("assistant", answer)]


def phrase(rng: Random) -> str:
    return rng.choice([
        story(rng).split(". ")[0].rstrip(".") + ".", " ".join(any_word(rng) for _ in range(rng.randint(2, 6))),
        biography(rng, w.person(rng)), ", ".join(w.some(rng, w.THING, 2, 5)), str(rng.randint(1, 9999)),
    ])


def repeat(rng: Random) -> list[Turn]:
    text = phrase(rng)
    return [("user", f"{rng.choice(['Repeat:', 'Say this again:', 'Copy this:'])} {text}"), ("assistant", text)]


def replace(rng: Random) -> list[Turn]:
    """Copy with one word changed: what rewriting and translating are made of."""
    text = phrase(rng)
    bare = [word.strip(".,") for word in text.split()]
    old = rng.choice([word for word in bare if word] or ["a"])
    new = any_word(rng)
    answer = " ".join(word.replace(old, new) if word.strip(".,") == old else word for word in text.split(" "))
    return [("user", f"Replace {old} with {new}: {text}"), ("assistant", answer)]


def drop(rng: Random) -> list[Turn]:
    items = w.some(rng, w.THING + w.FOOD + LEXICON, 3, 6)
    gone = rng.choice(items)
    return [("user", f"Leave out {gone}: {', '.join(items)}"), ("assistant", ", ".join(i for i in items if i != gone))]


def position(rng: Random) -> list[Turn]:
    items = [any_word(rng) for _ in range(rng.randint(2, 5))]
    which, answer = rng.choice([("first", items[0]), ("last", items[-1]), ("second", items[1])])
    return [("user", f"Which is {which}? {', '.join(items)}"), ("assistant", answer)]


def backwards(rng: Random) -> list[Turn]:
    items = [any_word(rng) for _ in range(rng.randint(2, 5))]
    return [("user", f"In reverse order: {' '.join(items)}"), ("assistant", " ".join(reversed(items)))]


def count(rng: Random) -> list[Turn]:
    items = w.some(rng, w.ANIMAL, 1, 6)
    return [("user", f"How many? {', '.join(items)}"), ("assistant", w.NUMBER[len(items)])]


def fact(rng: Random) -> list[Turn]:
    left, right = rng.choice(w.OPPOSITE)
    if rng.random() < 0.5:
        left, right = right, left
    month = rng.randrange(12)
    animal, verb = rng.choice(w.ANIMAL + w.THING), rng.choice(w.VERB)
    question, answer = rng.choice([
        (f"What is the opposite of {left}?", right),
        (f"Which month comes after {w.MONTH[month]}?", w.MONTH[(month + 1) % 12]),
        (f"Which month has number {month + 1}?", w.MONTH[month]),
        (f"What number has {w.MONTH[month]}?", f"{month + 1:02d}"),
        (f"More than one {animal}?", f"{animal}{'es' if animal[-1] in 'xsh' else 's'}"),
        (f"What is the past of {verb}?", w.PAST[verb]),
        (f"Write {w.NUMBER[month]} as a number.", str(month)),
    ])
    return [("user", question), ("assistant", answer)]


def columns(rng: Random) -> list[Turn]:
    name, cols, numeric = w.table(rng)
    head = f"Table {name}({', '.join(cols)})."
    pick = rng.choice(cols)
    question, answer = rng.choice([
        ("What is the table called?", name), ("Which columns are there?", ", ".join(cols)),
        ("Which column is last?", cols[-1]), (f"Is {pick} a number?", "yes" if pick in numeric else "no"),
        (f"Name the table and the column {pick}.", f"{name} {pick}"),
    ])
    return [("user", f"{head} {question}"), ("assistant", answer)]


def small_talk(rng: Random) -> list[Turn]:
    """A message that asks for nothing gets a friendly question back."""
    topic = rng.choice(w.THING + w.FOOD + w.REVIEWED + w.PLACE)
    statement = rng.choice([
        lambda: f"I saw {w.a(topic)} today.", lambda: f"The {topic} is {rng.choice(w.SIZE)}.", lambda: opinion(rng).split(". ")[0].rstrip(".") + ".",
        lambda: biography(rng, w.person(rng)), lambda: f"We met on {rng.choice(w.WEEKDAY)}.", lambda: f"{w.first(rng)} likes {topic}.",
    ])()
    return [("user", statement), ("assistant", rng.choice(["Thank you for telling me. What else?", "I see. Tell me more.", "How interesting. What happened next?"]))]


def hello(rng: Random) -> list[Turn]:
    name = w.first(rng)
    return rng.choice([
        [("user", rng.choice(["Hello!", "Hi.", "Good morning."])), ("assistant", "Hello! How can I help you?")],
        [("user", f"Hi, I am {name}."), ("assistant", f"Hello {name}! How can I help you?")],
        [("user", "Who are you?"), ("assistant", "I am a tiny language model. I know only a small world.")],
    ])


CHAT = [(look_up, 5), (form, 6), (who_has, 3), (repeat, 4), (replace, 5), (drop, 1), (position, 2), (backwards, 3), (count, 1), (fact, 3), (columns, 3), (small_talk, 2), (hello, 1)]


def document(rng: Random) -> str | list[Turn]:
    """One document: plain text (str), or the turns of a conversation."""
    makers = PLAIN if rng.random() < 0.3 else CHAT
    made = rng.choices([m for m, _ in makers], [weight for _, weight in makers])[0](rng)
    if isinstance(made, list) and rng.random() < 0.1:
        return [("system", rng.choice(["Answer briefly.", "You are helpful.", "Be exact."])), *made]
    return made
