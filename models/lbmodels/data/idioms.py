# SPDX-License-Identifier: GPL-3.0-or-later
"""More accompaniment styles: louder, older, electronic, acoustic without drums, and a few in odd metres."""

from __future__ import annotations

from lbmodels.data.style import Style
from lbmodels.data.style import groove as _g

# fmt: off
IDIOMS: tuple[Style, ...] = (
    Style(
        name="metal", tempo_bpm=(84, 184), colour=0.02, minor=0.95, power_chords=0.95,
        grooves=(
            _g(K="x.x.x.x.x.x.x.x.", S="....X.......X...", O="X...X...X...X..."),
            _g(K="xxxxxxxxxxxxxxxx", S="....X.......X...", C="X...X...X...X..."),
            _g(K="X.x...x.X.x...x.", S="........X.......", O="X...X...X...X..."),
            _g(K="x.x.x.x.x.x.x.x.", S=".x.x.x.x.x.x.x.x", r="x.x.x.x.x.x.x.x."),
        ),
        bass=("RRRRRRRRRRRRRRRR", "R.RRR.RRR.RRR.RR", "R---------------", "R..R..R..R..R.R."),
        piano=(("x---------------", "x-------x-------"), ("x---x---x---x---", "x---------------")),
        guitar=("dddddddddddddddd", "d.ddd.ddd.ddd.dd", "D---------------", "D..D..D..D..D.D.", "mmdmmmdmmmdmmmdm"),
        guitar_programs=(30, 30, 29), bass_programs=(34, 33), kits=(16, 8), lead_programs=(30, 29, 81, 48),
        pad_programs=(48, 52, 91, 18),
    ),
    Style(
        name="punk", tempo_bpm=(140, 190), colour=0.0, minor=0.3, power_chords=0.85,
        grooves=(
            _g(K="X...X...X...X...", S="..X...X...X...X.", H="x.x.x.x.x.x.x.x."),
            _g(K="X...X.x.X...X.x.", S="..X...X...X...X.", O="x.x.x.x.x.x.x.x."),
            _g(K="X.x.....X.x.....", S="....X.......X...", O="X.X.X.X.X.X.X.X."),
        ),
        bass=("R-R-R-R-R-R-R-R-", "R-R-R-R-R-R-5-A-"),
        piano=(("x-x-x-x-x-x-x-x-", "x---x---x---x---"), ("x-------x-------", "x---x---x---x---")),
        guitar=("d-d-d-d-d-d-d-d-", "dudududududududu", "D-------D-------"),
        guitar_programs=(29, 30, 27), bass_programs=(34, 33), kits=(16, 0), lead_programs=(29, 30, 53),
    ),
    Style(
        name="indie", tempo_bpm=(76, 148), colour=0.3, minor=0.45,
        grooves=(
            _g(K="X.......X.x.....", S="....X.......X...", t="x.x.x.x.x.x.x.x."),
            _g(K="X..x....X..x....", S="....X.......X...", r="x.xxx.xxx.xxx.xx"),
            _g(K="X.....x.....x...", S="........X.......", H="x.x.x.x.x.x.x.x."),
            _g(K="X...X...X...X...", **{"4": "x.xx..x.x.xx..x."}, S="....o.......o..."),
        ),
        bass=("R-R-R-R-R-R-R-R-", "R-----5-R-----8-", "R-------3-----5-", "R--R----R--R--A-"),
        piano=(("x---x---x---x---", "x---------------"), ("0-2-1-2-0-2-1-2-", "x-------x-------"), ("x-------......x-", "x---------------")),
        guitar=("D-dudud-D-dudud-", "0-2-3-4-3-2-4-3-", "dudududududududu", "D-------u-u-D---"),
        guitar_programs=(27, 26, 28, 25), pad_programs=(88, 89, 48, 91, 16), lead_programs=(27, 53, 80, 11, 54),
    ),
    Style(
        name="gospel", tempo_bpm=(66, 140), colour=0.85, minor=0.2, swing=(0.5, 0.62), swing_unit=0.5,
        grooves=(
            _g(K="X..x..x.X..x..x.", S="....X.......X..o", H="x.x.x.x.x.x.x.x."),
            _g(K="X...X...X...X...", c="..X...X...X...X.", t="x.x.x.x.x.x.x.x."),
        ),
        bass=("R--R..5-8--7..5A", "R---3---5---7-A-", "R-..R-5-..8-7-A-"),
        piano=(("x--x--x-x--x-xx-", "x-------x---x---"), ("x-xx-xx-x-xx-x-x", "x---x---x---x---"), ("x-------x--x--x-", "x-------x-------")),
        guitar=("....d.......d...", "..du..du..du..du"),
        piano_programs=(0, 1, 4, 16), pad_programs=(16, 17, 18, 52), lead_programs=(53, 52, 65, 18), kits=(0, 8),
    ),
    Style(
        name="ska", tempo_bpm=(110, 170), colour=0.25, minor=0.25,
        grooves=(
            _g(K="X...X...X...X...", S="....X.......X...", H="..x...x...x...x."),
            _g(K="X.......X.......", R="....X.......X...", H="x.x.x.x.x.x.x.x."),
        ),
        bass=("R---3---5---8---", "W", "R-3-5-8-7-5-3-A-"),
        piano=(("..x...x...x...x.", "................"), ("..x.x.x...x.x.x.", "x---....x---....")),
        guitar=("..d...d...d...d.", "..u...u...u...u.", "..d.u.d...d.u.d."),
        guitar_programs=(27, 26), lead_programs=(56, 57, 65, 61), pad_programs=(16, 61, 17), piano_programs=(0, 16, 2),
    ),
    Style(
        name="afrobeat", tempo_bpm=(92, 132), colour=0.5, minor=0.8,
        grooves=(
            _g(K="X..x..x...x..x..", S="....o..X..o.X...", H="x.xxx.xxx.xxx.xx", h="x..x..x...x.x..."),
            _g(K="X.....x.X.....x.", R="..X..X....X..X..", B="x..x..x...x.x...", H="x.x.x.x.x.x.x.x."),
        ),
        bass=("R..R..8.7..5..R.", "..R-5-R-..8-7-5-", "R-.5.R.8..7.5.A."),
        piano=(("..x..x....x..x..", "................"), ("x.x..x.x.x..x.x.", "................")),
        guitar=("0.2.3.2.0.2.3.1.", "m.dm.dm.m.dm.dm.", "3.2.0.2.3..2.0.."),
        guitar_programs=(27, 28), lead_programs=(65, 66, 56, 61), pad_programs=(16, 61, 17), kits=(0, 8),
    ),
    Style(
        name="samba", tempo_bpm=(88, 132), colour=0.8, minor=0.4,
        grooves=(
            _g(K="x..xX..xx..xX..x", R="X.X..X.X.X.X..X.", h="XxxXXxxXXxxXXxxX"),
            _g(**{"4": "....X.......X..x"}, R="X.x.xX.x.X.x.xX.", t="xxxxxxxxxxxxxxxx", q="..x..x....x..xx."),
        ),
        bass=("R--55--5R--55--5", "R---5--8R---5--A"),
        piano=(("x.x..x.x.x.x..x.", "x-------x-------"), ("..x.x..x..x.x..x", "x-------x-------")),
        guitar=("d.du.du.d.du.du.", "0-2.3-2.0-2.3-2.", "d..dd..dd..dd..d"),
        guitar_programs=(24, 24, 25), bass_programs=(32, 33, 35), lead_programs=(73, 72, 22, 57), kits=(0, 8),
    ),
    Style(
        name="drum and bass", tempo_bpm=(160, 180), colour=0.5, minor=0.8,
        grooves=(
            _g(K="X.........x.....", S="....X.......X...", H="x.x.x.x.x.x.x.x."),
            _g(K="X.x.......x.....", S="....X..o.o..X..o", r="x.x.x.x.x.x.x.x."),
            _g(K="X.....x...x...x.", S="....X.....o.X...", H="xxxxxxxxxxxxxxxx"),
        ),
        bass=("R---------------", "R-----R.....5---", "R-----------8---", "R.R...R...5...7."),
        piano=(("x---------------", "................"), ("..x.....x.......", "................"), ("x-----x-----x---", "x---------------")),
        guitar=("..d.....d.......", "D---------------"),
        bass_programs=(38, 39, 87), pad_programs=(89, 90, 91, 95, 50), lead_programs=(80, 81, 87, 11, 98), kits=(24, 25, 0),
        piano_programs=(4, 5, 0, 2),
    ),
    Style(
        name="trap", tempo_bpm=(62, 84), colour=0.3, minor=0.9,
        grooves=(
            _g(K="X.....x..x......", c="........X.......", H="x.x.x.x.xxx.x.x."),
            _g(K="X..x......x..x..", S="........X.......", H="xxxxx.xxxxxxx.xx"),
            _g(K="X.........x.....", c="....X.......X...", H="x.x.x.xxx.x.xxxx", O="......x........."),
        ),
        bass=("R-------..R-----", "R-----R---------", "R-----------8-5-"),
        piano=(("0-1-2-..0-1-3-..", "................"), ("x---------------", "x---------------"), ("2...1...0...1...", "................")),
        guitar=("0-1-2-3-2-1-0-..", "0---2---1-------"),
        bass_programs=(38, 39), kits=(25, 24), pad_programs=(89, 91, 52, 92), lead_programs=(75, 80, 11, 10, 73),
        piano_programs=(0, 4, 6),
    ),
    Style(
        name="techno", tempo_bpm=(120, 150), colour=0.15, minor=0.95,
        grooves=(
            _g(K="X...X...X...X...", O="..x...x...x...x."),
            _g(K="X...X...X...X...", H="xxxxxxxxxxxxxxxx", c="....x.......x...", B="...x..x....x..x."),
            _g(K="X...X...X...X..x", H="..x...x...x...xx", R="...x..x...x....."),
        ),
        bass=(".RRR.RRR.RRR.RRR", "..R...R...R...R.", "R.R.R8R.R.R.R8R.", "R..R..R..R..R.R."),
        piano=(("...x..x....x..x.", "................"), ("x..x..x..x..x.x.", "................")),
        guitar=("..d...d...d...d.", "0.1.2.1.0.1.2.3."),
        bass_programs=(38, 39, 87), kits=(25, 24), pad_programs=(90, 91, 94, 95), lead_programs=(81, 80, 84, 87),
        piano_programs=(5, 2, 7),
    ),
    Style(
        name="synth-pop", tempo_bpm=(98, 136), colour=0.2, minor=0.55,
        grooves=(
            _g(K="X...X...X...X...", S="....X.......X...", H="x.x.x.x.x.x.x.x."),
            _g(K="X.....x.X.......", c="....X.......X...", H="xxxxxxxxxxxxxxxx"),
            _g(K="X...X.x.X...X...", S="....X.......X..X", **{"2": "..............xx"}),
        ),
        bass=("RRRRRRRRRRRRRRRR", "R.8.R.8.R.8.R.8.", "R-RR-RR-R-RR-RA-", "R-------R-------"),
        piano=(("x-------x-------", "x---------------"), ("0.1.2.1.0.1.2.1.", "x---------------"), ("x..x..x.x..x..x.", "................")),
        guitar=("m.d.m.d.m.d.m.d.", "0-1-2-3-0-1-2-3-", "D---------------"),
        guitar_programs=(27, 28, 29), bass_programs=(38, 39, 36), kits=(24, 25, 16), piano_programs=(5, 2, 4, 0),
        pad_programs=(50, 51, 89, 90, 91), lead_programs=(80, 81, 84, 85, 62),
    ),
    Style(
        name="folk", tempo_bpm=(76, 140), colour=0.12, minor=0.35, drumless=0.7,
        grooves=(
            _g(K="X.......X.......", t="....x.......x..."),
            _g(K="X...X...X...X...", h="x.xxx.xxx.xxx.xx"),
        ),
        bass=("R-------5-------", "R---------------", "R-----5-R-----A-"),
        piano=(("x---x---x---x---", "x-------x-------"), ("0-1-2-1-0-1-2-1-", "x---------------")),
        guitar=("D---d-u-D---d-u-", "0-2-1-3-0-2-1-3-", "D-d-dud-D-d-dud-", "0---d-u-1---d-u-", "012-13-2012-13-2"),
        guitar_programs=(25, 24, 25), bass_programs=(32, 33, 43), kits=(0, 40), lead_programs=(22, 40, 73, 105, 110, 21, 74),
        pad_programs=(21, 48, 20, 49), piano_programs=(0, 1, 3),
    ),
    Style(
        name="singer", tempo_bpm=(60, 96), colour=0.35, minor=0.45, drumless=0.8,
        grooves=(
            _g(K="X.........x.....", R="........X.......", h="x.x.x.x.x.x.x.x."),
            _g(K="X.......X.......", S="....o.......o...", r="x...x...x...x..."),
        ),
        bass=("R---------------", "R-------------5-", "R-------5-------"),
        piano=(("x---------------", "x---------------"), ("0-1-2-3-2-1-2-1-", "x-------x-------"), ("x-------x-------", "x---------------"),
               ("..1-2-1-..1-2-3-", "x-------x-------")),
        guitar=("0-2-3-2-1-2-3-2-", "0---2-3-4---3-2-", "D-------d-------", "0-12-3-20-12-3-2"),
        guitar_programs=(24, 25), bass_programs=(32, 35, 33), kits=(40, 0), pad_programs=(48, 49, 42, 89),
        lead_programs=(42, 40, 71, 68, 53, 73),
    ),
    Style(
        name="polka", beats_per_bar=2, tempo_bpm=(96, 140), colour=0.1, minor=0.3,
        grooves=(
            _g(K="X...X...", S="..x...x.", H="x.x.x.x."),
            _g(K="X...X...", S="..xx..xx"),
        ),
        bass=("R---5---", "R-..5-..", "R---R-A-"),
        piano=(("..x...x.", "x---x---"), ("x.x.x.x.", "x---x---")),
        guitar=("..d...d.", "..u...u.", "0.d.1.d."),
        guitar_programs=(25, 24), bass_programs=(58, 32, 33), lead_programs=(21, 71, 56, 23), pad_programs=(21, 57, 61),
    ),
    Style(
        name="tango", tempo_bpm=(60, 130), colour=0.35, minor=0.8, drumless=0.6,
        grooves=(
            _g(K="X...x...x...x...", S="X.....x.....x.xx"),
            _g(K="X.....x.X.......", R="X...X...X...X.X."),
        ),
        bass=("R---R---5---R-A-", "R-----5-R---5---", "R---5---R---5---"),
        piano=(("x.x.x.x.x.x.x.x.", "x---x---x---x---"), ("X-----x-X---x---", "x-----x-x---x---")),
        guitar=("d...d...d...d.d.", "D-----d-D---d---", "0-1-2-3-2-1-0-1-"),
        guitar_programs=(24, 25), bass_programs=(32, 43), lead_programs=(21, 23, 40, 22), pad_programs=(48, 21, 49),
    ),
    Style(
        name="bluegrass", tempo_bpm=(104, 170), colour=0.05, minor=0.2, drumless=0.85,
        grooves=(
            _g(K="X.......X.......", S="....o.......o..."),
            _g(S="..x...x...x...x.", H="x...x...x...x..."),
        ),
        bass=("R-------5-------", "R---....5---....", "R---3---5---A---"),
        piano=(("....x.......x...", "x-------x-------"), ("..x...x...x...x.", "x---....x---....")),
        guitar=("0...d-u-1...d-u-", "0-2-3-2-1-2-3-2-", "..D...D...D...D.", "0123012301230123"),
        guitar_programs=(25, 25, 105), bass_programs=(32, 43), lead_programs=(105, 110, 25, 22), pad_programs=(22, 110),
    ),
    Style(
        name="motown", tempo_bpm=(96, 134), colour=0.4, minor=0.3,
        grooves=(
            _g(K="X...x.x.X...x...", S="X...X...X...X...", t="..x...x...x...x."),
            _g(K="X.....x.X.x.....", S="....X..o....X...", t="x.x.x.x.x.x.x.x."),
        ),
        bass=("R-.R.R3-5-.5.75A", "R--3--5-8--7--5-", "R-RR-R3-5-57-58-"),
        piano=(("....x.......x...", "x-------x-------"), ("x-x-x-x-x-x-x-x-", "x---x---x---x---")),
        guitar=("....d.......d...", "....d..d....d..d"),
        bass_programs=(33, 34), lead_programs=(53, 56, 65, 61), pad_programs=(48, 61, 16, 11), piano_programs=(0, 1, 2),
    ),
    Style(
        name="jazz waltz", beats_per_bar=3, tempo_bpm=(100, 180), colour=0.95, minor=0.35, swing=(0.6, 0.68),
        grooves=(
            _g(K="x...........", p="....X.......", r="X...X.x.X.x."),
            _g(K="o.....x.....", p="....X...X...", r="X.x.X...X.x.", S="..........o."),
        ),
        bass=("W", "R-------5---", "R---5---A---"),
        piano=(("x-....x-....", "............"), ("....x-....x.", "............"), ("x-------x---", "x-----------")),
        guitar=("D-..d-..d-..", "......d-...."),
        guitar_programs=(26,), bass_programs=(32, 35), kits=(40, 32), lead_programs=(65, 66, 73, 11), pad_programs=(48, 16),
    ),
    Style(
        name="jazz ballad", tempo_bpm=(60, 84), colour=0.98, minor=0.4, swing=(0.58, 0.67),
        grooves=(
            _g(K="o.......o.......", p="....x.......x...", r="x...x.x.x...x.x."),
            _g(S="oooooooooooooooo", p="....x.......x..."),
        ),
        bass=("R-------5-------", "R-------5-----A-", "W"),
        piano=(("x---------x-----", "x---------------"), ("..x-----x-----x-", "................"), ("x-------x-------", "x-------x-------")),
        guitar=("D-------d-------", "0---2---3---2---"),
        guitar_programs=(26,), bass_programs=(32,), kits=(40,), lead_programs=(65, 66, 57, 71, 59), pad_programs=(48, 49),
    ),
    Style(
        name="five-four", beats_per_bar=5, tempo_bpm=(84, 176), colour=0.5, minor=0.7, swing=(0.5, 0.62),
        grooves=(
            _g(K="X.....x.....X.......", S="....X.......o...X...", r="x.x.x.x.x.x.x.x.x.x."),
            _g(K="X.....X.....X...x...", S="............X.......", H="x.x.x.x.x.x.x.x.x.x."),
        ),
        bass=("R-----5-----R---5---", "R-------3---5---7-A-"),
        piano=(("x-....x-....x---x---", "x-----------x-------"), ("x-----x-----x-------", "x-------------------")),
        guitar=("D-----D-----d---d-u-", "0-2-3-0-2-3-0-2-0-3-"),
        lead_programs=(65, 81, 27, 56), pad_programs=(16, 48, 89), bass_programs=(32, 33, 34),
    ),
    Style(
        name="seven-four", beats_per_bar=7, tempo_bpm=(96, 184), colour=0.25, minor=0.75, power_chords=0.3,
        grooves=(
            _g(K="X.......X.......X.....x.....", S="....X.......X.......X...X...", H="x.x.x.x.x.x.x.x.x.x.x.x.x.x."),
            _g(K="X.....x.X...X.......X...x...", S="....X...........X...........", r="x...x...x...x...x...x...x..."),
        ),
        bass=("R---5---R---5---R---5---A---", "R-R-R-R-5-5-R-R-R-R-7-7-5-A-"),
        piano=(("x---x---x---x---x---x---x---", "x---------------x-----------"), ("x-------x-------x-----------", "x---------------------------")),
        guitar=("D---d---D---d---D---d---d-u-", "d-d-d-d-d-d-d-d-d-d-d-d-d-d-"),
        guitar_programs=(27, 29, 25), lead_programs=(81, 29, 40, 65), pad_programs=(16, 48, 50),
    ),
    Style(
        name="ambient", tempo_bpm=(60, 100), colour=0.6, minor=0.6, drumless=0.75,
        grooves=(
            _g(K="X...............", r="....x.......x..."),
            _g(K="X.......x.......", R="............X...", H="..x...x...x...x."),
        ),
        bass=("R---------------", "R-----------5---"),
        piano=(("x---------------", "................"), ("0---2---1---3---", "x---------------"), ("2-------1-------", "................")),
        guitar=("0---2---3---1---", "D---------------", "0-----2-----3---"),
        guitar_programs=(27, 24, 26), bass_programs=(38, 35, 33), pad_programs=(88, 89, 91, 94, 95, 99, 52),
        lead_programs=(98, 99, 10, 11, 14, 80), piano_programs=(0, 4, 5), kits=(24, 40),
    ),
)

# fmt: on

IDIOM_WEIGHTS: dict[str, float] = {
    "metal": 0.9, "punk": 0.6, "indie": 1.2, "gospel": 0.6, "ska": 0.4, "afrobeat": 0.5, "samba": 0.4,
    "drum and bass": 0.5, "trap": 0.7, "techno": 0.5, "synth-pop": 0.9, "folk": 0.9, "singer": 0.9, "polka": 0.25,
    "tango": 0.3, "bluegrass": 0.4, "motown": 0.6, "jazz waltz": 0.4, "jazz ballad": 0.5, "five-four": 0.3,
    "seven-four": 0.15, "ambient": 0.4,
}  # fmt: skip
