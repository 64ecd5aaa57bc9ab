"""The words of the synthetic corpus: sentences whose content leans to an emotion, as IEMOCAP writes them down."""

import numpy as np

from tfcr.corpora.synthetic.plans import Plan, generator
from tfcr.schema import EMOTIONS, MERGE

# How much of an utterance's emotion can be read. A content word follows the emotion of the text with the first
# probability, some other emotion with the second; otherwise it is one that everybody uses.
WORD_FOLLOWS_EMOTION = 0.55
WORD_MISLEADS = 0.08
SCRIPT_REPEATS = 0.5  # share of the scripted utterances that say a line of the script; the others are off it
SCRIPT_LINES = 6  # lines per script and emotion
_TEMPLATES = (
    "{opener} {closer}",
    "it was {adjective}",
    "what a {adjective} {noun}",
    "{opener} it was {adjective}",
    "{person} {verb} the {noun}",
    "i {verb} the {noun} {closer}",
    "{person} said it was {adjective}",
    "the {noun} was so {adjective} {closer}",
    "{opener} you {verb} my {noun} {closer}",
    "{opener} {person} {verb} the {adjective} {noun}",
    "did you know that {person} {verb} the {noun}",
    "{opener} we {verb} it and it was {adjective} {closer}",
    "i think {person} {verb} your {adjective} {noun} {closer}",
    "{opener} i {verb} the {noun} and the {noun} was {adjective}",
)
_EVERYBODYS = {
    "opener": "oh well look so listen really maybe actually you_know",
    "adjective": "big small new old long different strange real whole young hard short",
    "noun": "house car door letter phone room story dinner bag kitchen friend picture dog book street coat",
    "verb": "saw took found wanted had heard gave left kept brought",
    "closer": "today yesterday again then there last_night this_morning at_home too",
    "person": "my_mother my_father my_brother she he they somebody the_doctor his_wife our_neighbor",
}
_LEANING = {
    "neutral": {
        "opener": "okay yes right hello alright",
        "adjective": "usual regular next simple plain ready normal open",
        "noun": "form office line address number license window appointment paper schedule",
        "verb": "checked signed filed needed moved read counted",
        "closer": "on_monday at_noon first in_line",
    },
    "happiness": {
        "opener": "wow great hurray fantastic congratulations",
        "adjective": "wonderful amazing lovely beautiful funny sweet perfect exciting",
        "noun": "wedding baby party trip beach present song dance surprise kiss",
        "verb": "loved won enjoyed celebrated married planned adored",
        "closer": "at_last together forever tonight",
    },
    "sadness": {
        "opener": "sorry alas sadly please no",
        "adjective": "lonely empty gone quiet lost broken tired hopeless",
        "noun": "funeral hospital grave goodbye memory tear war accident pain loss",
        "verb": "lost missed buried mourned remembered needed cried_over",
        "closer": "alone anymore without_him for_nothing",
    },
    "anger": {
        "opener": "hey damn stop shut_up enough",
        "adjective": "ridiculous stupid unfair useless rude crazy awful impossible",
        "noun": "fault lie mess insult complaint fight delay mistake nonsense bill",
        "verb": "ruined broke hated blamed stole smashed refused",
        "closer": "right_now every_time god_damn for_once",
    },
}
_TAGS = ("[LAUGHTER]", "[BREATHING]", "[GARBAGE]")


def transcript(plan: Plan, seed: int) -> str:
    """The words of an utterance as IEMOCAP writes them, with a tag now and then, and a colon."""
    random = generator(seed, "words", plan.number)
    emotion = MERGE.get(plan.text_emotion, plan.text_emotion)
    sentence = _sentence(emotion, random)
    script = plan.dialog.partition("script")[2].rstrip("b")
    if random.random() < SCRIPT_REPEATS and script:
        line = int(random.integers(SCRIPT_LINES))
        sentence = _sentence(emotion, generator(seed, "script", *script.encode(), EMOTIONS.index(emotion), line))
    words = ["I" if word == "i" else word for word in sentence.split()]
    words[0] = words[0].capitalize()
    if "said" in words and random.random() < 0.5:
        words[words.index("said")] += ":"
    tag = f" {_TAGS[random.integers(len(_TAGS))]}" if random.random() < 0.04 else ""
    end = "?" if words[0] == "Did" else ".!"[int(random.random() < 0.2)]
    return " ".join(words) + end + tag


def _sentence(emotion: str, random: np.random.Generator) -> str:
    """2 to 12 words in lower case, whose content leans to an emotion."""
    template = _TEMPLATES[random.integers(len(_TEMPLATES))]
    return " ".join(
        _content_word(part.strip("{}"), emotion, random) if part.startswith("{") else part for part in template.split()
    )


def _content_word(slot: str, emotion: str, random: np.random.Generator) -> str:
    draw, other = random.random(), random.integers(len(EMOTIONS) - 1)
    if draw >= WORD_FOLLOWS_EMOTION + WORD_MISLEADS or slot not in _LEANING[emotion]:
        words = _EVERYBODYS[slot]
    elif draw < WORD_FOLLOWS_EMOTION:
        words = _LEANING[emotion][slot]
    else:
        words = _LEANING[[candidate for candidate in EMOTIONS if candidate != emotion][other]][slot]
    choices = words.split()
    return choices[random.integers(len(choices))].replace("_", " ")
