"""Styles of music as tables: grooves, bass lines, rhythms, instruments.

A bar has 16 steps. Patterns are strings of 16 characters: `-` holds the note before, `.` is a rest, every other
character starts a note; its meaning is given at each table.
"""

from dataclasses import dataclass

STEPS = 16


@dataclass(frozen=True)
class Style:
    """The elements of one style.

    `grooves` are (kick, snare, cymbal) patterns; capital letters are accents. `bass_lines` hold `r` root, `o` octave,
    `f` fifth, `t` third, `a` a step that leads to the next root. `layers` are the instruments to choose from.
    """

    tempo: tuple[float, float]
    swing: tuple[float, ...]
    kits: tuple[str, ...]
    bass_tones: tuple[str, ...]
    grooves: tuple[tuple[str, str, str], ...]
    bass_lines: tuple[str, ...]
    layers: tuple[str, ...]


# fmt: off
STYLES = {
    "rock": Style(
        (98.0, 156.0), (0.0,), ("acoustic", "acoustic", "big"), ("pick", "finger", "pick"),
        (("X.......X.......", "....X.......X...", "X.x.X.x.X.x.X.x."),
         ("X.....x.X.......", "....X.......X...", "X.x.X.x.X.x.X.o."),
         ("X......xX.x.....", "....X.......X..g", "X...X...X...X..."),
         ("X..x....X.x.....", "....X..g.g..X...", "X.x.X.x.X.x.X.x."),
         ("X.x...x.X.x.....", "....X.......X...", "o...o...o...o...")),
        ("r-r-r-r-r-r-r-r-", "r---r-r-r---r-a-", "r-----r-r-----a-", "r-r-f-r-r-r-o-a-", "r---r---r---f-a-"),
        ("distorted", "distorted", "clean", "acoustic", "organ", "lead", "piano"),
    ),
    "pop": Style(
        (88.0, 128.0), (0.0, 0.0, 0.08), ("acoustic", "electronic", "tight"), ("finger", "synth", "pick", "round"),
        (("X.......X.......", "....X.......X...", "x.x.x.x.x.x.x.x."),
         ("X...X...X...X...", "....c.......c...", "..o...o...o...o."),
         ("X.....x...X.....", "....X.......X...", "xxx.xxx.xxx.xxx."),
         ("X..x..x.X..x..x.", "....X.......X...", "x.x.x.x.x.x.x.o."),
         ("X.........X.....", "....X..g....X...", "X.x.X.x.X.x.X.x.")),
        ("r---------r-----", "r-----r-r-----r-", "r-r-r-r-r-r-r-r-", "r--r--r-r--r--a-", "r---..r-f---..a-"),
        ("piano", "pad", "clean", "strings", "arpeggio", "electric piano", "acoustic", "lead"),
    ),
    "ballad": Style(
        (66.0, 86.0), (0.0, 0.0, 0.1), ("acoustic", "tight"), ("finger", "round"),
        (("X.......x.......", "....r.......r...", "x.x.x.x.x.x.x.x."),
         ("X......xX.......", "....X.......X...", "x.x.x.x.x.x.x.x."),
         ("X.....x.........", "........X.......", "t.t.t.t.t.t.t.t."),
         ("X.....x.X.......", "....X..g....X...", "x.xxx.x.x.xxx.x.")),
        ("r-------r-----a-", "r-----f-o-----a-", "r---------r---a-", "r-----r-f-----r-"),
        ("piano", "strings", "acoustic", "electric piano", "pad", "clean", "organ"),
    ),
    "funk": Style(
        (92.0, 118.0), (0.0, 0.1, 0.16), ("tight", "acoustic"), ("slap", "finger", "synth"),
        (("X..x..x...x..x..", "....X..g.g..X..g", "x.xxx.xxx.xxx.x."),
         ("X.x.......xx....", "....X..g.g.gX...", "xxxxxxxxxxxxxxxx"),
         ("X......x..X..x..", "....X..g....X.g.", "x.x.x.xox.x.x.x."),
         ("X..x......x.x...", "....X...g..gX...", "xxx.xxx.xxo.xxx.")),
        ("r--r..o-..r-.ra-", "r.r...o.r-..f-a-", "r-..r.o-r-..o.a.", "r--.r-.fo-.fr-a-", "r.ro..r.f.fo..a."),
        ("clean", "electric piano", "organ", "brass", "clavinet", "pad", "lead"),
    ),
    "hip hop": Style(
        (76.0, 100.0), (0.0, 0.14, 0.18), ("electronic", "tight", "808"), ("sub", "round", "synth"),
        (("X.....x..x......", "....X.......X...", "x.x.x.x.x.x.x.x."),
         ("X..x......x.....", "....c.......c..g", "x.x.x.xxx.x.x.xx"),
         ("X.........x..x..", "........X.......", "x.xxx.x.x.xxxxx."),
         ("X......x..x.....", "....X.......X...", "x.xox.x.x.x.x.x.")),
        ("r-----r..-r-----", "r--------.r---a-", "r--r......r-o-..", "r-------..r-r-a-"),
        ("electric piano", "pad", "strings", "arpeggio", "bell", "piano", "lead"),
    ),
    "dance": Style(
        (116.0, 130.0), (0.0, 0.0, 0.06), ("electronic", "808", "electronic"), ("synth", "synth", "sub", "pick"),
        (("X...X...X...X...", "....c.......c...", "..o...o...o...o."),
         ("X...X...X...X...", "....X.......X...", "x.oxx.oxx.oxx.ox"),
         ("X...X...X...X.x.", "....c.......c..c", "xxoxxxoxxxoxxxox"),
         ("X..x..x.X..x..x.", "....X.......X...", "x.x.x.x.x.x.x.x.")),
        ("..r-..r-..r-..r-", "..r-.rr-..r-.ro-", "r-o-r-o-r-o-r-o-", "r.rr.rr.r.rr.ro.", "r--r--r-r--r--o-"),
        ("arpeggio", "pad", "stabs", "piano", "strings", "lead", "bell"),
    ),
    "folk": Style(
        (84.0, 124.0), (0.0, 0.0, 0.12), ("brushes", "acoustic", "tight"), ("upright", "finger", "upright"),
        (("X.......x.......", "....X..g....X...", "x.x.x.x.x.x.x.x."),
         ("X.....x.x.......", "....X.g.....X.g.", "x..xx..xx..xx..x"),
         ("X...x...X...x...", "..x...x...x...x.", "x...x...x...x..."),
         ("X.......X.x.....", "....r.......r...", "t.t.t.t.t.t.t.t.")),
        ("r-------f-------", "r---f---r---a---", "r-----r-f-----a-", "r---t---f---a---"),
        ("acoustic", "acoustic", "piano", "strings", "mallets", "organ", "clean"),
    ),
    "soul": Style(
        (70.0, 112.0), (0.1, 0.16, 0.2), ("tight", "acoustic", "brushes"), ("finger", "round", "upright"),
        (("X..x....X.x.....", "....X..g....X..g", "x.x.x.x.x.x.x.x."),
         ("X.......x..x....", "....X.......X...", "t.t.t.t.t.t.t.t."),
         ("X.....xx..x.....", "....X.......X..g", "x.xxx.xxx.xxx.xx")),
        ("r--.r-f-r-..a-a-", "r-----f-o---f-a-", "r--r..t-f---o-a-", "r---t---f---a---"),
        ("electric piano", "organ", "brass", "clean", "piano", "strings", "clavinet"),
    ),
}
# Piece and level of each letter of the snare's pattern; pieces of those of cymbals and fills.
SNARES = {"X": ("snare", 1.0), "x": ("snare", 0.7), "g": ("snare", 0.25), "r": ("rim", 0.8), "c": ("clap", 0.95)}
CYMBALS = {"x": "hat", "X": "hat", "o": "open", "t": "ride"}
TOMS = {"s": "snare", "S": "snare", "h": "high tom", "m": "mid tom", "l": "low tom"}
SHAKERS = (*3 * ("." * STEPS,), "x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx", "....x.......x...")
FILLS = (
    "........ssshhmml", "............sshl", "........s.sshhll", "..........shsmsl", "............s.ss",
    "........h.hm.mll", "..............sl", "........ssssSSSS",
)
# The role of each accompanying instrument.
ROLES = {
    "pad": "hold", "strings": "hold", "organ": "hold", "piano": "comp", "electric piano": "comp", "clean": "comp",
    "acoustic": "strum", "distorted": "power", "clavinet": "comp", "brass": "stab", "stabs": "stab",
    "arpeggio": "arpeggio", "bell": "arpeggio", "mallets": "arpeggio", "lead": "answer",
}
# `x` a chord, `X` one with an accent.
RHYTHMS = {
    "comp": ("X---x---X---x---", "X-----x---x-----", "X-x-..x-X-x-..x-", "..X-..X-..X-..X-", "X--x--x-..x-x---",
             "X-------..x-x---", "X.x...X...x.x..."),
    "strum": ("X---X-x-.-x-X-x-", "X---x-x-x---x-x-", "X-x-X-x-X-x-X-x-", "X--xx-x-x--xx-x-", "X-xxX-xx--xxX-xx",
              "X-----x-X-x---x-"),
    "power": ("X-x-x-x-X-x-x-x-", "X-------X-------", "X--x--x-X--x--x-", "X---------------", "X.x.x.X-..x.X---",
              "XxxxX.xxX-xxX.x."),
    "stab": ("X.....X.........", "..X.....X.......", "....X--...x.X...", "X--X--X-........", "......X-......X."),
}
# Rhythms of two sung bars; the second ends with a rest.
SONG_RHYTHMS = (
    ("..x-x-x-x---x-x-", "x---x-x-x-----.."), ("x---x-x-x---x---", "x-x-x---x---...."),
    ("x-x-x-x-x---x---", "x-----x-x-----.."), ("x-----x-x-x-x---", "x-x---x-------.."),
    ("....x-x-x-x-x-x-", "x---x-x-x-----.."), ("x--x--x-x---x-x-", "x--x--x-------.."),
    ("x-x-x--xx-x-x---", "x-x-x-----......"), ("..x-x--x--x-x-x-", "x--x--x-x---...."),
    ("x-------x---x---", "x---x---x-----.."), ("x---x---x-x-x-x-", "x-------x---...."),
    ("x-xxx-x-x-xxx---", "x-x-xxx-x---...."), ("..x-xxx-x-x-x-x-", "x-x-x-x-x-----.."),
    ("x-----------x-x-", "x-----x-x-----.."),
)
# fmt: on
