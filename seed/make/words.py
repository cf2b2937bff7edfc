"""The small world that all text is made of: word lists, and names made up from syllables.

Made-up names matter: a model that has only ever copied two hundred known names recalls them instead of reading them.
"""

from random import Random

FIRST = """Tom Ana Mira Leo Nora Ivan Sara Hugo Emma Omar Lena Paul Rosa Adam Ella Finn Greta Hana Igor Jana Karl Lucy Max Nina
Otto Petra Quinn Ruth Sven Tara Uma Vera Walt Yara Zoe Ben Cora Dina Eric Fay Gus Ida Jack Kim Liam Mona Noah Olga Rex Stella""".split()
LAST = """Berg Stone Field Brook Hill Wood Lake Marsh Frost Reed Vale Ford Hale North Quill Rowe Sharp Thorn Weaver York Abbot
Baker Carter Dale Ellis Fisher Gray Hunt Irwin Joyce Knight Lowe Mason Nash Oakes Page Rhodes Swift Tate Underhill Voss Webb""".split()
CITY = """Oslo Paris Rome Cairo Lima Delhi Tokyo Quito Accra Bern Dublin Prague Vienna Lisbon Madrid Athens Helsinki Riga Tunis
Nairobi Boston Denver Austin Seattle Toronto Sydney Perth Osaka Seoul Hanoi Manila Dakar Lagos Turin Malmo Bergen Leeds York Ghent""".split()
COLOUR = "red blue green yellow black white brown grey pink purple orange golden silver".split()
ANIMAL = "cat dog horse bird fish cow sheep goat fox wolf bear rabbit mouse duck frog owl".split()
THING = """kite ball book lamp chair table cup hat coat bag box key ring drum flute boat bike car clock map letter stone flower
basket bottle mirror pencil ladder hammer blanket candle""".split()
FOOD = "bread cheese soup rice apple pear cake tea coffee milk honey salad pizza pasta egg onion carrot potato".split()
PLACE = "garden kitchen school market forest river beach station library park village bridge tower harbour field mill".split()
JOB = """baker teacher doctor driver painter farmer sailor singer writer nurse cook tailor pilot dancer judge miner potter clerk
plumber gardener""".split()
MONTH = "January February March April May June July August September October November December".split()
WEEKDAY = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
NUMBER = "zero one two three four five six seven eight nine ten eleven twelve".split()
VERB = "see find carry bring lose wash paint sell buy hide open break clean draw watch keep".split()
PAST = dict(zip(VERB, "saw found carried brought lost washed painted sold bought hid opened broke cleaned drew watched kept".split()))
OPPOSITE = [tuple(pair.split("/")) for pair in """big/small hot/cold old/new fast/slow happy/sad light/dark loud/quiet rich/poor
strong/weak tall/short wet/dry hard/soft clean/dirty full/empty early/late deep/shallow thick/thin sweet/sour""".split()]
SIZE = [word for pair in OPPOSITE for word in pair]

GOOD = """wonderful excellent lovely delicious great friendly brilliant perfect charming superb fantastic pleasant beautiful
delightful amazing tasty helpful warm""".split()
BAD = """awful terrible horrible rude boring dreadful disgusting poor nasty ugly broken useless unpleasant stale dirty slow
disappointing bitter""".split()
REVIEWED = """soup waiter hotel room film concert book service breakfast lamp phone coat driver guide museum garden music dinner
coffee bed view shop ticket game chair""".split()

TABLES = {
    "books": "title author year price pages", "users": "name age city email score", "pets": "name kind age colour weight",
    "orders": "id customer total status year", "films": "title director year rating length", "cars": "brand model year price speed",
    "songs": "title artist length year plays", "cities": "name country people area mayor", "shops": "name street city rating owner",
    "teams": "name coach wins losses points", "plants": "name height colour price season", "trips": "from to price days year",
    "games": "title maker year price players", "boats": "name length owner speed port", "staff": "name role salary age office",
    "rooms": "number floor price beds view",
}
NUMERIC = set("year price pages age score weight total rating length speed plays people area wins losses points height days players salary floor beds number".split())

ONSET = "b br c ch d dr f fl g gr h j k kl l m n p pl qu r s sh sl st t tr v w y z".split()
VOWEL = "a e i o u ai ea ee ou".split()
CODA = ["", "", "", "n", "r", "l", "s", "t", "m", "nd", "rk", "sh", "x"]


def syllable(rng: Random) -> str:
    return rng.choice(ONSET) + rng.choice(VOWEL) + rng.choice(CODA)


def coined(rng: Random) -> str:
    """A word that nobody has seen before."""
    return "".join(syllable(rng) for _ in range(rng.choice((1, 2, 2, 3))))


def first(rng: Random) -> str:
    return rng.choice(FIRST) if rng.random() < 0.5 else coined(rng).capitalize()


def full_name(rng: Random) -> str:
    return f"{first(rng)} {rng.choice(LAST) if rng.random() < 0.5 else coined(rng).capitalize()}"


def city(rng: Random) -> str:
    return rng.choice(CITY) if rng.random() < 0.6 else coined(rng).capitalize()


def job(rng: Random) -> str:
    return rng.choice(JOB) if rng.random() < 0.8 else coined(rng)


def table(rng: Random) -> tuple[str, list[str], set[str]]:
    """A table's name, its columns, and which of them hold numbers. Half of them are made up on the spot."""
    if rng.random() < 0.5:
        name = rng.choice(list(TABLES))
        columns = TABLES[name].split()
        rng.shuffle(columns)
        return name, columns[: rng.randint(3, 5)], NUMERIC
    every = sorted({column for columns in TABLES.values() for column in columns.split()})
    columns = rng.sample(every, rng.randint(2, 4))
    if rng.random() < 0.5:
        columns[0] = coined(rng)
    return coined(rng) + "s", columns, NUMERIC


def person(rng: Random) -> dict[str, str]:
    return {"name": full_name(rng), "age": str(rng.randint(6, 94)), "city": city(rng), "job": job(rng)}


def a(word: str) -> str:
    return ("an " if word[0] in "aeiou" else "a ") + word


def some(rng: Random, words: list[str], low: int, high: int) -> list[str]:
    return rng.sample(words, rng.randint(low, high))
