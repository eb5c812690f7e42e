"""What the reviews of `negated_reviews` are about: data only."""

from typing import NamedTuple


class Topic(NamedTuple):
    """What a review can be about: the thing, its aspects, the adjectives only it takes, and neutral facts."""

    things: tuple[str, ...]
    aspects: tuple[str, ...]
    plurals: tuple[str, ...]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    facts: tuple[str, ...]


def _topic(things: str, aspects: str, plurals: str, good: str, bad: str, facts: str) -> Topic:
    return Topic(*(tuple(field.split(", ")) for field in (things, aspects, plurals, good, bad, facts)))


TOPICS = (
    _topic(
        "film, movie, thriller, comedy, documentary",
        "plot, cast, script, ending, soundtrack, acting",
        "jokes, scenes, costumes, dialogues",
        "gripping, witty, touching, original, funny",
        "dull, silly, predictable, boring, clumsy",
        "we saw it, I watched it, we streamed it",
    ),
    _topic(
        "book, novel, biography, sequel",
        "story, prose, opening, translation, style",
        "characters, chapters, descriptions, drawings",
        "gripping, moving, witty, elegant, vivid",
        "dull, shallow, wordy, predictable, stale",
        "I read it, I finished it, I borrowed it",
    ),
    _topic(
        "hotel, hostel, resort, guesthouse",
        "room, lobby, breakfast, bathroom, garden, pool",
        "beds, corridors, balconies",
        "cheap, clean, cosy, tidy, spacious",
        "dirty, shabby, gloomy, overpriced, cramped",
        "we stayed there, I stayed there, we booked a room",
    ),
    _topic(
        "restaurant, bistro, tavern, diner",
        "service, kitchen, menu, terrace, atmosphere",
        "waiters, tables, portions",
        "cheap, welcoming, clean, generous, lively",
        "dirty, stingy, chaotic, gloomy, overpriced",
        "we ate there, I had lunch there, we booked a table",
    ),
    _topic(
        "meal, lunch, dinner, buffet",
        "soup, bread, salad, fish, dessert, sauce",
        "noodles, pies, vegetables",
        "cheap, tasty, fresh, delicious, fragrant",
        "bland, stale, greasy, overpriced, tasteless",
        "we ordered it, I ordered it, we shared it",
    ),
    _topic(
        "phone, tablet, smartwatch, headset",
        "battery, screen, display, sound, packaging",
        "buttons, speakers, cables",
        "cheap, reliable, sturdy, handy, modern",
        "flimsy, fragile, outdated, overpriced, unreliable",
        "I bought it, we bought it, I unpacked it",
    ),
    _topic(
        "laptop, computer, printer, monitor",
        "keyboard, hardware, manual, touchpad, design",
        "drivers, hinges, updates",
        "cheap, reliable, robust, practical, modern",
        "flimsy, unreliable, clunky, outdated, overpriced",
        "I bought it, we installed it, I set it up",
    ),
    _topic(
        "album, record, concert, opera",
        "singer, melody, rhythm, recording, orchestra",
        "songs, lyrics, solos, drums",
        "catchy, moving, lively, soulful, fresh",
        "dull, shrill, monotonous, bland, lifeless",
        "I heard it, we listened to it, I played it",
    ),
    _topic(
        "game, puzzle, quiz, adventure",
        "tutorial, artwork, combat, interface, pacing",
        "levels, controls, graphics, riddles",
        "addictive, clever, polished, exciting, inventive",
        "boring, clumsy, repetitive, unfair, buggy",
        "we played it, I tried it, I downloaded it",
    ),
    _topic(
        "course, seminar, workshop, class",
        "teacher, textbook, material, schedule, content",
        "lectures, exercises, slides, exams",
        "clear, useful, helpful, engaging, practical",
        "confusing, useless, dry, chaotic, shallow",
        "I took it, we attended it, I signed up",
    ),
    _topic(
        "museum, gallery, exhibition, castle",
        "collection, tour, guide, building, audioguide",
        "paintings, sculptures, exhibits, halls",
        "fascinating, inspiring, elegant, engaging, stunning",
        "dusty, gloomy, boring, chaotic, ugly",
        "we visited it, I went there, we walked through it",
    ),
    _topic(
        "car, van, scooter, motorbike",
        "engine, steering, gearbox, cabin, paintwork",
        "brakes, seats, tyres, headlights",
        "reliable, smooth, robust, economical, stylish",
        "unreliable, noisy, clunky, flimsy, ugly",
        "I rented it, we drove it, I tested it",
    ),
    _topic(
        "play, musical, ballet, show",
        "stage, choreography, lighting, staging, music",
        "actors, dancers, props, monologues",
        "moving, touching, lively, inventive, stunning",
        "lifeless, boring, pretentious, clumsy, stale",
        "we saw it, I attended it, we went to it",
    ),
    _topic(
        "apartment, cottage, cabin, campsite",
        "location, view, heating, shower, neighbourhood",
        "beds, windows, walls, stairs",
        "cheap, quiet, cosy, clean, bright",
        "noisy, dirty, damp, shabby, cramped",
        "we rented it, I stayed there, we camped there",
    ),
)
