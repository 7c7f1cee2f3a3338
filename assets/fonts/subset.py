"""Cuts Inter down to what charts need: python subset.py FOLDER_WITH_WOFF2.

Figures of one width take the place of the proportional ones, so that a renderer needs no font
features to align them. Needs fonttools and brotli.
"""

import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

RANGES = [
    (0x20, 0x7E), (0xA0, 0x17F), (0x192, 0x192), (0x218, 0x21B), (0x300, 0x304), (0x306, 0x30C),
    (0x323, 0x323), (0x327, 0x328), (0x386, 0x3CE), (0x400, 0x45F), (0x48A, 0x4FF),
    (0x1E80, 0x1E85), (0x1E9E, 0x1E9E), (0x1EA0, 0x1EF9), (0x2002, 0x200B), (0x2010, 0x2027),
    (0x202F, 0x202F), (0x2030, 0x2033), (0x2039, 0x203A), (0x2044, 0x2044), (0x20A0, 0x20C0),
    (0x2116, 0x2116), (0x2122, 0x2122), (0x2190, 0x2199), (0x2212, 0x2212), (0x221E, 0x221E),
    (0x2248, 0x2248), (0x2260, 0x2260), (0x2264, 0x2265), (0x2713, 0x2713), (0x2717, 0x2717),
]


def tabular(font):
    """Digits and their companions of the `tnum` feature, by plain glyph name."""
    gsub = font["GSUB"].table
    lookups = {
        index
        for record in gsub.FeatureList.FeatureRecord
        if record.FeatureTag == "tnum"
        for index in record.Feature.LookupListIndex
    }
    swaps = {}
    for index in sorted(lookups):
        for table in gsub.LookupList.Lookup[index].SubTable:
            table = getattr(table, "ExtSubTable", table)
            swaps.update(getattr(table, "mapping", {}))
    return swaps


def cut(source, target):
    font = TTFont(source)
    swaps = tabular(font)
    for table in font["cmap"].tables:
        for code in range(ord("0"), ord("9") + 1):
            if code in table.cmap:
                table.cmap[code] = swaps.get(table.cmap[code], table.cmap[code])
    options = Options()
    options.layout_features = ["kern", "mark", "mkmk", "ccmp"]
    options.hinting = False
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.notdef_outline = True
    options.flavor = None
    options.recalc_timestamp = False
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[code for low, high in RANGES for code in range(low, high + 1)])
    subsetter.subset(font)
    font.flavor = None
    font.save(target)


folder = Path(sys.argv[1])
here = Path(__file__).parent
cut(folder / "Inter-Regular.woff2", here / "inter-regular.ttf")
cut(folder / "Inter-SemiBold.woff2", here / "inter-semibold.ttf")
