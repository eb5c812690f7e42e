r"""Where texts are cut before their bytes are merged to subwords: the words of byte-pair encoding.

The pattern names every character by its number, none by a Unicode property, since two engines read it: RE2 in the
graph and Oniguruma in the package `tokenizers`. Their Unicode tables differ, and change from version to version.
"""

# The most characters of a word; a longer one is cut. The limit bounds how long merging takes. From 64 on, RE2's
# automaton outgrows its memory, and cuts other scripts than ASCII a hundred times slower.
MAX_WORD_CHARACTERS = 32

SIGNS = (
    r"\x00-\x08\x0e-\x1f!-/:-@\[-`{-\x7f"
    "\x80-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7"  # Latin-1
    "\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965"  # Arabic and Indian punctuation
    "\u2000-\u200b\u200e-\u2bff\u2e00-\u2e7f"  # general punctuation up to arrows and symbols, without joiners
    "\u3000-\u3004\u3008-\u3020\u3030\u3036\u3037\u303d-\u303f\u30fb"  # Chinese and Japanese punctuation
    "\ufe10-\ufe1f\ufe30-\ufe6f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\uffff"  # and its wide forms
    "\U0001f000-\U0001faff"  # emoji
)
EMOJI_JOINERS = "\u200d\ufe00-\ufe0f"  # belong to what is before them, a sign or a letter

_MANY = f"{{1,{MAX_WORD_CHARACTERS}}}"
# Letters with their marks, digits, and signs, each with at most one space before them; line ends; other white space.
# Each character is in one of them.
PATTERN = "|".join(
    [
        rf"[ '’]?[^\t-\r 0-9{SIGNS}]{_MANY}",
        rf" ?[0-9]{_MANY}",
        rf" ?[{SIGNS}{EMOJI_JOINERS}]{_MANY}",
        rf"[\n\r]{_MANY}",
        rf"[\t\v\f ]{_MANY}",
    ]
)
