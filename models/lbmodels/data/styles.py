# SPDX-License-Identifier: GPL-3.0-or-later
"""The first accompaniment styles as tables (`style.py` says how to read them); STYLES has those of `idioms.py` too."""

from __future__ import annotations

from lbmodels.data.idioms import IDIOM_WEIGHTS, IDIOMS
from lbmodels.data.style import Style as Style
from lbmodels.data.style import groove as _g

# fmt: off
STYLES: tuple[Style, ...] = (
    Style(
        name="pop", tempo_bpm=(88, 132), colour=0.25, minor=0.35,
        grooves=(
            _g(K="X.......X.......", S="....X.......X...", H="x.x.x.x.x.x.x.x."),
            _g(K="X.....x.X.......", S="....X.......X...", H="x.x.x.x.x.x.x.x."),
            _g(K="X..x..x...x.....", S="....X.......X..o", H="xoxoxoxoxoxoxoxo"),
            _g(K="X.......X.x.....", S="....X.......X...", r="x.x.x.x.x.x.x.x."),
        ),
        bass=("R-------R-------", "R-----R-R-----5-", "R.R.R.R.R.R.R.A.", "R--R--R-R---5-A-", "R-----R---R-8-5-"),
        piano=(("x-------x-------", "x---------------"), ("x-x-x-x-x-x-x-x-", "x-------x-------"),
               ("x--x--x-x--x--x-", "x-------x-------"), ("1-2-3-2-1-2-3-2-", "x---------------")),
        guitar=("D---d-u---u-d-u-", "D-d-d-d-D-d-d-du", "0-2-3-2-1-2-3-2-", "D-------d-------", "D--ud-u-D--ud-u-"),
    ),
    Style(
        name="rock", tempo_bpm=(96, 168), colour=0.08, minor=0.45, power_chords=0.6, blues=0.1,
        grooves=(
            _g(K="X...x...X.x.....", S="....X.......X...", H="X.x.X.x.X.x.X.x."),
            _g(K="X.x.....X.x.....", S="....X.......X...", H="X.x.X.x.X.x.X.x."),
            _g(K="X.......XX......", S="....X.......X...", O="X...X...X...X..."),
            _g(K="X..X..X.X..X....", S="....X.......X...", C="X...x...x...x..."),
            _g(K="X...X...X...X...", S="....X.......X.x.", r="X.x.X.x.X.x.X.x."),
        ),
        bass=("R-R-R-R-R-R-R-R-", "R-R-R-R-R-R-5-A-", "R---R-R-R---R-A-", "R-----R-R---R---", "R-R-8-R-R-R-7-5-"),
        piano=(("x---x---x---x---", "x-------x-------"), ("x-x-x-x-x-x-x-x-", "x---x---x---x---"),
               ("x---------------", "x-------x-------")),
        guitar=("d-d-d-d-d-d-d-d-", "D---------------", "d-ddd-ddd-ddd-dd", "D---..d-D---..du", "D--D--D-D--D--D-"),
        guitar_programs=(29, 30, 27, 29, 30), bass_programs=(34, 33, 34), kits=(16, 8, 0),
        lead_programs=(29, 30, 81, 62, 18), pad_programs=(18, 16, 48, 17),
    ),
    Style(
        name="ballad", tempo_bpm=(70, 92), colour=0.4, minor=0.4,
        grooves=(
            _g(K="X.........x.....", S="........X.......", H="x.x.x.x.x.x.x.x."),
            _g(K="X......xX.......", R="....X.......X...", H="x.x.x.x.x.x.x.x."),
            _g(K="X......xX.x.....", S="....X.......X...", r="x.x.x.x.x.x.x.x."),
        ),
        bass=("R---------------", "R-----R-R-------", "R-------5-----A-", "R-----5-8---5---"),
        piano=(("0-1-2-3-2-1-2-1-", "x---------------"), ("x---x---x---x---", "x-------x-------"),
               ("..1-2-3-..1-2-3-", "x-------x-------"), ("x-------x---x---", "x---------------")),
        guitar=("0-1-2-3-2-1-2-1-", "0-2-3-2-1-2-3-2-", "D---------------", "D-----d-D---d-u-"),
        guitar_programs=(24, 25, 27), pad_programs=(48, 49, 89, 52, 88), lead_programs=(73, 65, 40, 71, 68, 60),
    ),
    Style(
        name="bossa", tempo_bpm=(100, 150), colour=0.9, minor=0.5,
        grooves=(
            _g(K="X..xX..xX..xX..x", R="X..x..x...x..x..", H="x.x.x.x.x.x.x.x."),
            _g(K="X..xX..xX..xX..x", R="..x...x.x..x..x.", h="xoxoxoxoxoxoxoxo"),
            _g(K="X..xX..xX..xX..x", R="X..x..x..x..x...", r="x.x.x.x.x.x.x.x."),
        ),
        bass=("R--55--5R--55--A", "R-----5-5-----A-", "R--R5---5--5R---"),
        piano=(("x..x..x...x..x..", "x-------x-------"), ("..x-..x-x--x-.x-", "x-------x-------"),
               ("x--x--x-..x-..x-", "x---------------")),
        guitar=("d..d..d...d..d..", "..d...d.d..d..d.", "0-3-..3-0-3..-3-"),
        guitar_programs=(24, 24, 26), bass_programs=(32, 33, 35), kits=(0, 32, 40),
        piano_programs=(0, 4, 1), lead_programs=(73, 65, 66, 11, 71), pad_programs=(48, 89, 50),
    ),
    Style(
        name="swing", tempo_bpm=(100, 168), steps_per_beat=4, swing=(0.62, 0.68), colour=0.97, minor=0.35, blues=0.25,
        grooves=(
            _g(K="o...o...o...o...", p="....X.......X...", r="X...X.x.X...X.x."),
            _g(K="x.........x.....", p="....X.......X...", r="X...X.x.X...X.x.", S="......o.......o."),
            _g(K="X...o...X...o...", p="....X.......X...", H="X...x.x.X...x.x.", S="....x.......x..."),
        ),
        bass=("W", "W", "R-------5-----A-"),
        piano=(("x-....x-....x-..", "................"), ("......x-......x-", "................"),
               ("x---....x---..x.", "x-------x-------"), ("..x-..x.....x-..", "................")),
        guitar=("d-..d-..d-..d-..", "D-..d-..D-..d-..", "......d-......d-"),
        guitar_programs=(26, 26, 27), bass_programs=(32, 32, 35), kits=(32, 40, 0),
        lead_programs=(65, 66, 56, 11, 71, 64), pad_programs=(16, 48, 17), piano_programs=(0, 1, 0),
    ),
    Style(
        name="funk", tempo_bpm=(88, 118), colour=0.7, minor=0.7, swing=(0.5, 0.58), swing_unit=0.5,
        grooves=(
            _g(K="X..x..x...x..x..", S="....X..o.o..X..o", H="x.xxx.x.x.xxx.x."),
            _g(K="X.x....x..x..x..", S="....X..o.o..X...", H="xxxxxxxxxxxxxxxx"),
            _g(K="X.....x..xx.....", S="....X..o....X.o.", H="x.x.x.x.x.x.x...", O="..............x."),
        ),
        bass=("R..R..8..R.R..8A", "R.....R.7.8...5A", "R-.R..R...5.7.8.", "RR..8.R...R.7.A."),
        piano=(("..x...x..x....x.", "................"), ("x..x..x...x..x..", "................"),
               ("....x-....x.x-..", "x-......x-......")),
        guitar=("mmdmmmdmmmdmmdmm", "m.d.mmd.m.d.mmdu", "..d...d..d....d."),
        guitar_programs=(27, 28, 27), bass_programs=(36, 33, 37, 34), piano_programs=(4, 5, 7, 4),
        lead_programs=(61, 62, 65, 56, 81), pad_programs=(16, 17, 61, 50), kits=(0, 8, 16),
    ),
    Style(
        name="reggae", tempo_bpm=(70, 92), colour=0.2, minor=0.5, swing=(0.5, 0.6), swing_unit=0.5,
        grooves=(
            _g(K="........X.......", R="........X.......", H="x.x.x.x.x.x.x.x."),
            _g(K="X...X...X...X...", S="........X.......", H="x.x.x.xxx.x.x.xx"),
            _g(K="X.......X.......", R="....X..x....X...", H="x.xxx.x.x.xxx.x."),
        ),
        bass=("..R-R-5-..R-3-5-", "R--R..5-R---..A-", "R---..R-3-5-....", "....R-R-5-8-5---"),
        piano=(("....x.......x...", "................"), ("....x.x.....x.x.", "................"),
               ("..x...x...x...x.", "x-------........")),
        guitar=("....d.......d...", "....d.u.....d.u.", "..d...d...d...d."),
        guitar_programs=(27, 28, 25), bass_programs=(33, 34, 38), piano_programs=(0, 4, 2),
        pad_programs=(16, 17, 18), lead_programs=(22, 56, 65, 81),
    ),
    Style(
        name="waltz", beats_per_bar=3, tempo_bpm=(84, 160), colour=0.4, minor=0.4,
        grooves=(
            _g(K="X...........", S="....x...x...", H="x...x...x..."),
            _g(K="X.......x...", p="....X...X...", r="X...x...x.x."),
            _g(K="X.....x.....", R="....x...x...", H="x.x.x.x.x.x."),
        ),
        bass=("R-----------", "R-------5---", "R---3---5---", "R-------A---"),
        piano=(("....x-..x-..", "x-----------"), ("0-1-2-3-2-1-", "x-----------"), ("x---x---x---", "x-----------")),
        guitar=("0...d-..d-..", "D---d---d-u-", "0-1-2-3-2-1-"),
        guitar_programs=(24, 25, 26), bass_programs=(32, 33), kits=(0, 32, 40),
        lead_programs=(21, 40, 71, 73, 22), pad_programs=(48, 49, 21),
    ),
    Style(
        name="disco", tempo_bpm=(108, 130), colour=0.45, minor=0.6,
        grooves=(
            _g(K="X...X...X...X...", S="....X.......X...", H="x.......x.......", O="..x...x...x...x."),
            _g(K="X...X...X...X...", c="....X.......X...", H="xxxxxxxxxxxxxxxx"),
            _g(K="X...X...X...X...", S="....X.......X..x", H="x.xxx.xxx.xxx.xx", t="..x...x...x...x."),
        ),
        bass=("R.8.R.8.R.8.R.8.", "R.R8..R8R.R8..A8", "R.8.R.8.5.8.7.A.", "..R...R...R...R."),
        piano=(("..x...x...x...x.", "x---....x---...."), ("x..x..x.x..x..x.", "x-------x-------"),
               ("x-x-..x-..x-x-..", "................")),
        guitar=("m.d.m.d.m.d.m.d.", "dmdudmdudmdudmdu", "..d...d...d...d."),
        guitar_programs=(27, 28), bass_programs=(33, 38, 39, 36), piano_programs=(0, 2, 4, 5),
        pad_programs=(48, 50, 51, 90), lead_programs=(81, 80, 61, 73), kits=(0, 24, 16),
    ),
    Style(
        name="house", tempo_bpm=(116, 132), colour=0.6, minor=0.7,
        grooves=(
            _g(K="X...X...X...X...", c="....X.......X...", O="..x...x...x...x."),
            _g(K="X...X...X...X...", c="....X.......X...", H="xoxoxoxoxoxoxoxo", O="..x...x...x...x."),
            _g(K="X...X...X...X..x", S="....x.......x...", t="x.xxx.xxx.xxx.xx"),
        ),
        bass=("..R...R...R...R.", "..RR..RR..RR..R8", "R..R..R.R..R..R.", "R.......R..8..5."),
        piano=(("x..x..x..x..x...", "................"), ("x..x..x.x..x..x.", "x-------x-------"),
               ("..x...x...x...x.", "................")),
        guitar=("..d...d...d...d.", "m..dm..dm..dm.d.", "0.1.2.3.0.1.2.3."),
        guitar_programs=(27, 28), bass_programs=(38, 39, 33), piano_programs=(0, 1, 5, 2), kits=(24, 25, 0),
        pad_programs=(89, 90, 50, 91, 94), lead_programs=(80, 81, 87),
    ),
    Style(
        name="latin", tempo_bpm=(90, 124), colour=0.5, minor=0.6,
        grooves=(
            _g(K="X..x....X..x....", R="X..X..X...X.X...", B="X.x.X.xxX.x.X.xx", t="x.x.x.x.x.x.x.x."),
            _g(K="...x..x....x..x.", R="..X.X...X..X..X.", B="X...X...X...X...", q="..x.x.xx..x.x.xx"),
            _g(K="X...X...X...X...", S="...X..X....X..X.", H="x.x.x.x.x.x.x.x."),
        ),
        bass=("R.....5-....8---", "R..5..8-R..5..8-", "...R..5-....R---", "R--R--5-R--R--A-"),
        piano=(("x.xx.x.xx.x.xx.x", "................"), ("x..x..x.x.x..xx.", "x..x..x.x.x..xx."),
               ("..x-..x..x..x-..", "x-------x-------")),
        guitar=("d..d..d.d..d..d.", "d.u.d.u.d.u.d.u.", "0.2.3.2.0.2.3.2."),
        guitar_programs=(24, 25), bass_programs=(32, 33, 35), kits=(0, 8),
        lead_programs=(56, 73, 61, 65), pad_programs=(61, 48, 56),
    ),
    Style(
        name="country", tempo_bpm=(92, 148), colour=0.12, minor=0.15, swing=(0.5, 0.6),
        grooves=(
            _g(K="X.......X.......", S="....X.......X...", H="x.x.x.x.x.x.x.x."),
            _g(K="X...x...X...x...", S="..x.X.x...x.X.x.", H="x...x...x...x..."),
            _g(K="X.......X.x.....", R="....X.......X...", H="x.x.x.x.x.x.x.x."),
        ),
        bass=("R-------5-------", "R---....5---..A-", "R---3---5---3---", "R---R---5---A---"),
        piano=(("....x-......x-..", "x---....x---...."), ("x---x---x---x---", "x-------x-------"),
               ("..x...x...x...x.", "x---....x---....")),
        guitar=("0...d-u-1...d-u-", "0-2-3-2-1-2-3-2-", "D-dud-duD-dud-du", "0...d...1...d..."),
        guitar_programs=(25, 25, 27), bass_programs=(32, 33, 34), piano_programs=(0, 1, 3),
        lead_programs=(40, 22, 25, 27), pad_programs=(48, 17, 21),
    ),
    Style(
        name="hip-hop", tempo_bpm=(70, 102), colour=0.6, minor=0.75, swing=(0.5, 0.62), swing_unit=0.5, drum_lag_ms=6.0,
        grooves=(
            _g(K="X......x..x.....", S="....X.......X...", H="x.x.x.x.x.x.x.x."),
            _g(K="X.x.......x..x..", c="....X.......X...", H="x.x.x.x.x.xxx.x."),
            _g(K="X.....x...x.....", S="........X.......", H="xxxxxxxxxxxxxxxx"),
            _g(K="X..x....x.x.....", S="....X..o....X...", H="x.xxx.x.x.x.x.xx"),
        ),
        bass=("R------R..R-----", "R--------.8.7-5-", "R-....R-..R-....", "R-------------A-"),
        piano=(("x-------x-------", "................"), ("x-----..x-..x---", "................"),
               ("0-1-2-3-2---1---", "x---------------"), ("x..x..x.........", "x---------------")),
        guitar=("0-1-2-3-2---1---", "..d...d.......d.", "D---------------"),
        guitar_programs=(24, 27, 26), bass_programs=(38, 33, 39, 35), piano_programs=(4, 0, 5, 4), kits=(25, 24, 8, 0),
        pad_programs=(89, 50, 48, 52, 91), lead_programs=(73, 80, 11, 65),
    ),
    Style(
        name="soul", tempo_bpm=(80, 126), colour=0.7, minor=0.45,
        grooves=(
            _g(K="X.....x.X.......", S="....X.......X...", H="x.x.x.x.x.x.x.x.", t="....x.......x..."),
            _g(K="X..x...x..x.....", S="....X..o....X...", H="x.x.x.x.x.x.x.x."),
            _g(K="X.X...X...X.....", S="X...X...X...X...", t="x.x.x.x.x.x.x.x."),
        ),
        bass=("R--R..5-8--5..A-", "R-..R-3-5-..7-A-", "R---..R-5-7-8-A-", "R-R-3-3-5-5-7-A-"),
        piano=(("x--x--x-x--x--x-", "x-------x-------"), ("....x-......x-x.", "x-------x-------"),
               ("x---x-x-x---x-x-", "x---------------")),
        guitar=("....d.......d...", "..du..du..du..du", "0-1-2-3-0-1-2-3-"),
        guitar_programs=(27, 26, 28), bass_programs=(33, 33, 34), piano_programs=(4, 0, 4, 5),
        pad_programs=(16, 17, 48, 61, 18), lead_programs=(65, 56, 61, 66),
    ),
    Style(
        name="shuffle", steps_per_beat=3, tempo_bpm=(84, 140), colour=0.6, minor=0.25, blues=0.7,
        grooves=(
            _g(K="X.....X.....", S="...X.....X..", H="X.xX.xX.xX.x"),
            _g(K="X....xX.....", S="...X.o...X.o", r="X.xX.xX.xX.x"),
            _g(K="X..X..X..X..", S="...X.....X..", H="X.xX.xX.xX.x"),
        ),
        bass=("R-RR-R5-57-5", "W", "R--3--5--6--".replace("6", "7"), "R-R8-R7-R5-A"),
        piano=(("..x-.x..x-.x", "x-----x-----"), ("x-xx-xx-xx-x", "x-----x-----"), ("...x-....x-.", "x-----x-----")),
        guitar=("D-ud-uD-ud-u", "...d.....d..", "d-dd-dd-dd-d"),
        guitar_programs=(27, 26, 29, 25), bass_programs=(33, 32, 34), piano_programs=(0, 3, 1, 4),
        pad_programs=(16, 17, 18), lead_programs=(22, 65, 27, 29), kits=(0, 8),
    ),
    Style(
        name="twelve-eight", steps_per_beat=3, tempo_bpm=(70, 96), colour=0.3, minor=0.35,
        grooves=(
            _g(K="X.....X.....", S="...X.....X..", H="xxxxxxxxxxxx"),
            _g(K="X....xX.....", S="...X.....X..", r="xxxxxxxxxxxx"),
            _g(K="X.....x....x", R="...X.....X..", H="x.xx.xx.xx.x"),
        ),
        bass=("R-----R-----", "R----RR--5-A", "R--3--5--7--", "R-----5---A-"),
        piano=(("xxxxxxxxxxxx", "x-----x-----"), ("012321012321", "x-----------"), ("x--x--x--x--", "x-----x-----")),
        guitar=("012321012321", "...d-....d-.", "D--d--D--d--"),
        guitar_programs=(25, 27, 24), pad_programs=(48, 16, 49, 52), lead_programs=(65, 73, 80, 22),
    ),
    Style(
        name="six-eight", beats_per_bar=2, steps_per_beat=3, tempo_bpm=(70, 110), colour=0.25, minor=0.45,
        grooves=(
            _g(K="X.....", S="...X..", H="xxxxxx"),
            _g(K="X....x", S="...X..", r="x.xx.x"),
            _g(K="X.x...", R="...X..", H="xxxxxx"),
        ),
        bass=("R-----", "R--5--", "R--R-A", "R----A"),
        piano=(("012321", "x-----"), ("xxxxxx", "x-----"), ("x--x--", "x-----"), ("..x..x", "x-----")),
        guitar=("012321", "D-ud-u", "0-23-2", "D--d-u"),
        guitar_programs=(25, 24, 27), pad_programs=(48, 49, 89, 52), lead_programs=(73, 40, 22, 71, 65),
    ),
    *IDIOMS,
)

# fmt: on

# How often each style is drawn: four-beat pop idioms carry most of the weight.
WEIGHTS: dict[str, float] = {
    "pop": 1.6, "rock": 1.6, "ballad": 1.1, "bossa": 0.9, "swing": 1.1, "funk": 1.2, "reggae": 0.7, "waltz": 0.8,
    "disco": 0.9, "house": 0.8, "latin": 0.9, "country": 1.0, "hip-hop": 1.0, "soul": 1.2, "shuffle": 0.9,
    "twelve-eight": 0.6, "six-eight": 0.7, **IDIOM_WEIGHTS,
}  # fmt: skip
