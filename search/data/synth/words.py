"""What is said: the keywords, the other words of Speech Commands v2, and more words that must not be mistaken."""

from __future__ import annotations

from micronets_gen.search.data.speech_commands import KEYWORDS

PUBLISHED = (
    "backward", "bed", "bird", "cat", "dog", "eight", "five", "follow", "forward", "four", "happy", "house", "learn",
    "marvin", "nine", "one", "seven", "sheila", "six", "three", "tree", "two", "visual", "wow", "zero",
)  # fmt: skip
"""The other 25 words of Speech Commands v2."""

OTHER = (
    "again", "air", "also", "answer", "apple", "back", "ball", "because", "before", "blue", "book", "bread", "bring",
    "call", "change", "child", "city", "close", "cold", "come", "day", "door", "dream", "earth", "easy", "engine",
    "every", "fire", "first", "food", "friend", "garden", "girl", "give", "glass", "good", "green", "hand", "hard",
    "head", "hello", "help", "here", "home", "hot", "kitchen", "know", "lamp", "leave", "letter", "light", "line",
    "long", "machine", "make", "map", "matter", "middle", "milk", "money", "morning", "mother", "mouse", "music",
    "name", "never", "new", "night", "old", "only", "open", "orange", "paper", "people", "phone", "picture", "place",
    "play", "please", "power", "quick", "radio", "rain", "read", "red", "river", "road", "room", "salt", "say", "sea",
    "seat", "shop", "shoulder", "sister", "small", "smile", "snow", "some", "sound", "space", "spring", "start",
    "station", "stone", "street", "summer", "sun", "table", "take", "talk", "teach", "thank", "time", "today",
    "tomorrow", "top", "train", "turn", "under", "voice", "wait", "walk", "warm", "water", "weather", "week", "white",
    "window", "winter", "woman", "wood", "word", "work", "world", "yellow", "young",
)  # fmt: skip
"""More words for training and validation."""

HELD_OUT = (
    "animal", "boat", "brother", "camera", "clock", "coffee", "country", "dinner", "farm", "flower", "ground",
    "holiday", "island", "kettle", "lemon", "market", "minute", "mountain", "number", "ocean", "pencil", "pepper",
    "question", "ring", "school", "silver", "spoon", "sugar", "ticket", "tiger", "toast", "tower", "travel", "village",
    "volume", "whistle", "winner", "yesterday",
)  # fmt: skip
"""Words that only the test's unknown words hold: nothing learns them."""

__all__ = ["HELD_OUT", "KEYWORDS", "OTHER", "PUBLISHED"]
