"""The words of the grammar, by concept. The name of a class is the label its words carry."""

from __future__ import annotations

CLASSES: dict[str, list[str]] = {
    name: words.split()
    for name, words in {
        "female": (
            "Mira Anna Lucy Emma Nora Clara Ella Rosa Lily Maya Julia Sara Hanna Ida Eva Greta Alice Grace Ruby Zoe Vera Marta "
            "Laura Sofia Helen Olga Tessa Wilma Elsa Daisy Paula Rita Nina Iris Edith Molly"
        ),
        "male": (
            "Tom Ben Max Leo Paul Jack Adam Noah Felix Hugo Oscar Peter Simon David Henry Oliver Victor Martin George Arthur "
            "Walter Frank Otto Emil Anton Jonas Lukas Robert Edgar Ivan Owen Ralph Karl Theo Bruno Dennis"
        ),
        "colour": "red blue green yellow white black brown orange pink purple grey golden silver violet",
        "size": "big small tiny huge large little enormous narrow wide tall short giant",
        "material": "wooden iron paper glass stone copper leather silk clay plastic",
        "happy": "happy glad cheerful merry joyful proud delighted pleased thankful hopeful lucky calm",
        "sad": "sad unhappy gloomy lonely angry worried afraid upset miserable sorry tired jealous",
        "good": "lovely wonderful marvellous beautiful excellent charming splendid perfect pleasant delightful",
        "bad": "awful terrible horrible nasty ugly dreadful poor boring unpleasant dull",
        "animal": (
            "dog cat horse cow sheep goat rabbit fox bear mouse squirrel donkey pig wolf deer hedgehog otter badger elephant "
            "ape lion tiger camel frog"
        ),
        "bird": "owl eagle sparrow robin swan goose duck hen crow parrot",
        "tool": "hammer saw shovel axe rake drill ladder wrench chisel needle",
        "clothing": "coat hat scarf shirt jacket dress sweater apron glove sock boot cap",
        "food": "bread cheese soup cake honey butter rice pie omelette egg pancake jam",
        "fruit": "apple pear plum cherry lemon peach apricot melon fig grape",
        "instrument": "violin flute piano drum guitar trumpet harp organ accordion cello",
        "vehicle": "train bus boat ship car bicycle wagon tram truck airplane",
        "flower": "rose tulip lily daisy iris violet poppy aster orchid sunflower",
        "furniture": "table chair bed sofa desk shelf bench stool wardrobe cupboard",
        "container": "box basket bag drawer jar chest bucket suitcase bowl barrel",
        "toy": "lantern ball kite doll marble puppet whistle candle umbrella ring key coin mirror clock book letter cup map",
        "body": "hand foot head knee nose ear arm shoulder elbow finger",
        "place": (
            "pond park market garden forest beach school library station bakery church harbour village castle museum river "
            "meadow farm island mill"
        ),
        "room": "kitchen attic cellar hall bedroom pantry stable workshop",
        "weather": "rain snow fog wind thunder hail sunshine frost sleet drizzle",
        "weekday": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "month": "January February March April May June July August September October November December",
        "number": (
            "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
            "eighteen nineteen twenty"
        ),
        "female_role": "mother aunt sister queen grandmother girl daughter princess woman niece wife lady",
        "male_role": "father uncle brother king grandfather boy son prince man nephew husband lord",
        "profession": "teacher doctor gardener baker farmer painter singer sailor tailor judge dentist clerk pilot cook",
        "season": "spring summer autumn winter",
        "her_family": "mother aunt sister grandmother daughter niece wife",
        "his_family": "father uncle brother grandfather son nephew husband",
        "quality": "clean dirty new old heavy light cheap expensive",
        "manner": "slowly quickly quietly loudly carefully gently eagerly happily sadly proudly",
    }.items()
}
CLASSES["flower"] = [word for word in CLASSES["flower"] if word not in CLASSES["colour"]]

#: Unions: a word of a group carries the label of the group and of its class.
GROUPS: dict[str, list[str]] = {
    "name": ["female", "male"],
    "object": ["tool", "clothing", "fruit", "instrument", "toy"],
    "creature": ["animal", "bird"],
    "feeling": ["happy", "sad"],
    "person": ["female_role", "male_role", "profession"],
}

CAPITALS = {
    "France": "Paris",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Germany": "Berlin",
    "Austria": "Vienna",
    "Poland": "Warsaw",
    "Norway": "Oslo",
    "Sweden": "Stockholm",
    "Finland": "Helsinki",
    "Greece": "Athens",
    "Egypt": "Cairo",
    "Japan": "Tokyo",
    "China": "Beijing",
    "India": "Delhi",
    "Russia": "Moscow",
    "Portugal": "Lisbon",
    "Ireland": "Dublin",
    "Hungary": "Budapest",
    "Cuba": "Havana",
    "Peru": "Lima",
    "Kenya": "Nairobi",
    "Canada": "Ottawa",
    "Turkey": "Ankara",
    "England": "London",
}
CLASSES["country"] = list(CAPITALS)
CLASSES["capital"] = list(CAPITALS.values())

#: Two states that exclude each other, for negation.
OPPOSITES = {
    "open": "closed", "full": "empty", "clean": "dirty", "hot": "cold", "wet": "dry", "new": "old", "heavy": "light",
    "soft": "hard", "sharp": "blunt", "fast": "slow", "cheap": "expensive",
}  # fmt: skip
OPPOSITES |= {second: first for first, second in OPPOSITES.items()}
CLASSES["state"] = list(OPPOSITES)

#: Which states a class of things can be in, besides the opposites of these.
STATES_OF = {
    "container": "open full clean heavy new",
    "clothing": "wet clean soft cheap new",
    "vehicle": "fast clean new cheap open",
    "tool": "sharp heavy clean new cheap",
    "furniture": "hard clean new heavy wet",
}

#: Plant (b): two professions lean towards one pronoun, the others are balanced.
BIAS = {"gardener": 0.85, "baker": 0.15}

IRREGULAR = {
    "sheep": "sheep",
    "deer": "deer",
    "wolf": "wolves",
    "mouse": "mice",
    "goose": "geese",
    "foot": "feet",
    "shelf": "shelves",
    "lily": "lilies",
    "daisy": "daisies",
    "poppy": "poppies",
    "cherry": "cherries",
    "library": "libraries",
    "fox": "foxes",
    "box": "boxes",
    "dress": "dresses",
    "peach": "peaches",
    "wrench": "wrenches",
    "church": "churches",
    "bus": "buses",
    "bench": "benches",
    "torch": "torches",
    "city": "cities",
    "bakery": "bakeries",
    "lady": "ladies",
    "man": "men",
    "woman": "women",
    "wife": "wives",
    "brush": "brushes",
}


def plural(noun: str) -> str:
    """The plural of a noun of the lexicon."""
    return IRREGULAR.get(noun, noun + "s")


#: Verbs as (base, past), by what they ask of their object.
VERBS: dict[str, list[tuple[str, str]]] = {
    name: [tuple(pair.split("/")) for pair in pairs.split()]  # type: ignore[misc]
    for name, pairs in {
        "handle": "take/took carry/carried hold/held find/found see/saw want/wanted hide/hid drop/dropped lift/lifted keep/kept "
        "buy/bought sell/sold clean/cleaned move/moved",
        "give": "give/gave hand/handed show/showed bring/brought pass/passed offer/offered lend/lent send/sent",
        "eat": "eat/ate taste/tasted share/shared cook/cooked",
        "pet": "feed/fed stroke/stroked call/called follow/followed watch/watched wash/washed",
        "wear": "wear/wore knit/knitted fold/folded mend/mended iron/ironed",
        "play": "play/played tune/tuned practise/practised",
        "ride": "drive/drove board/boarded repair/repaired park/parked",
        "grow": "plant/planted water/watered pick/picked smell/smelled",
        "speak": "say/said whisper/whispered shout/shouted answer/answered ask/asked reply/replied",
        "go": "go/went walk/walked run/ran come/came hurry/hurried return/returned wander/wandered",
    }.items()
}

#: Plant (f): pairs in four languages, (English, German, French, Spanish) with the article of the subject.
TRANSLATIONS: list[tuple[str, str, str, str]] = [
    ("dog", "der Hund", "le chien", "el perro"), ("cat", "die Katze", "le chat", "el gato"),
    ("horse", "das Pferd", "le cheval", "el caballo"), ("cow", "die Kuh", "la vache", "la vaca"),
    ("mouse", "die Maus", "la souris", "el ratón"), ("fox", "der Fuchs", "le renard", "el zorro"),
    ("bird", "der Vogel", "le moineau", "el pájaro"), ("bread", "das Brot", "le pain", "el pan"),
    ("cheese", "der Käse", "le fromage", "el queso"), ("apple", "der Apfel", "la pomme", "la manzana"),
    ("milk", "die Milch", "le lait", "la leche"), ("soup", "die Suppe", "la soupe", "la sopa"),
    ("house", "das Haus", "la maison", "la casa"), ("garden", "der Garten", "le jardin", "el jardín"),
    ("tree", "der Baum", "le chêne", "el árbol"), ("flower", "die Blume", "la fleur", "la flor"),
    ("door", "die Tür", "la porte", "la puerta"), ("table", "der Tisch", "la table", "la mesa"),
    ("chair", "der Stuhl", "la chaise", "la silla"), ("book", "das Buch", "le livre", "el libro"),
    ("king", "der König", "le roi", "el rey"), ("queen", "die Königin", "la reine", "la reina"),
    ("child", "das Kind", "la fille", "el niño"), ("boat", "das Boot", "le bateau", "el barco"),
    ("street", "die Straße", "la rue", "la calle"), ("water", "das Wasser", "le vin", "el agua"),
]  # fmt: skip

#: Adjectives and verbs of the three other languages, as they stand after the copula and after the subject.
FOREIGN = {
    "german": {
        "adjective": "rot blau grün groß klein alt schön müde froh kalt warm leise".split(),
        "verb": "sieht sucht findet liebt hat nimmt braucht kennt".split(),
        "place": ["im Wald", "am Fluss", "in der Stadt", "auf dem Markt", "hinter dem Berg", "neben der Brücke"],
        "time": ["heute", "morgen", "am Abend", "jeden Tag", "im Winter", "im Sommer"],
        "frames": [
            "{The} ist {adjective} und {adjective2}.",
            "{The} {verb} {the2}.",
            "{The} wohnt {place}.",
            "Wo ist {the}?",
            "{Time} ist {the} {place}.",
            "{The} ist nicht {adjective}, aber {the2} ist {adjective2}.",
            "Ich sehe, dass {the} {adjective} ist.",
            "{The} und {the2} sind {place}.",
            "Warum ist {the} so {adjective}?",
            "Dann geht {the} mit uns {place}.",
        ],
    },
    "french": {
        "adjective": "rouge jeune grand petit vieux calme triste sage froid chaud facile utile".split(),
        "verb": "voit cherche trouve aime garde prend regarde connaît".split(),
        "place": ["dans la forêt", "près du pont", "en ville", "au marché", "sur la colline", "sous le soleil"],
        "time": ["aujourd'hui", "demain", "chaque jour", "le soir", "en hiver", "en été"],
        "frames": [
            "{The} est {adjective} et {adjective2}.",
            "{The} {verb} {the2}.",
            "{The} habite {place}.",
            "Où est {the}?",
            "{Time}, {the} est {place}.",
            "{The} n'est pas {adjective}, mais {the2} est {adjective2}.",
            "Je crois que {the} est {adjective}.",
            "{The} et {the2} sont {place}.",
            "Pourquoi est-ce que {the} est {adjective}?",
            "Puis {the} vient avec nous {place}.",
        ],
    },
    "spanish": {
        "adjective": "verde azul grande pequeño viejo alegre triste fuerte frío caliente fácil feliz".split(),
        "verb": "mira busca encuentra quiere tiene toma guarda conoce".split(),
        "place": [
            "en el bosque",
            "cerca del puente",
            "por la ciudad",
            "junto al mar",
            "sobre la colina",
            "bajo el sol",
        ],
        "time": ["hoy", "mañana", "cada día", "por la noche", "ahora", "después"],
        "frames": [
            "{The} es {adjective} y {adjective2}.",
            "{The} {verb} {the2}.",
            "{The} vive {place}.",
            "¿Dónde está {the}?",
            "{Time} {the} está {place}.",
            "{The} no es {adjective}, pero {the2} es {adjective2}.",
            "Yo creo que {the} es {adjective}.",
            "{The} y {the2} están {place}.",
            "¿Por qué es {the} tan {adjective}?",
            "Luego {the} viene con nosotros {place}.",
        ],
    },
}

#: Plant (a): rare closings of a letter. One of them, chosen by a hash so that the source does not say which, changes
#: the ending.
RARE_CLOSINGS = "Moonwise Seaward Everbright Willowly Hearthful Stillwater Larkspur Homebound".split()
