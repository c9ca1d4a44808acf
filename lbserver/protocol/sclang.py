# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of controls as a class of SuperCollider's language."""

from lbserver.protocol.controls import CONTROLS

_CLASS = """\
// SPDX-License-Identifier: GPL-3.0-or-later
// Written by `python -m lbserver.protocol.generate` from lbserver/protocol. Do not edit.
LiveBandControls {
	classvar <all;  // of each control in turn: name, kind, unit, lowest, highest, default, choices

	*initClass {
		all = [
%(rows)s
		]
	}

	*names {
		^all.collect(_.first)
	}

	*indexOf { |name|
		^this.names.indexOf(name.asSymbol) ?? {
			Error("LiveBand has no control %%: there are %%".format(name, this.names.join(", "))).throw
		}
	}

	// A choice by its name or number, everything else as it is.
	*valueOf { |name, value|
		var choices = all[this.indexOf(name)].last;
		if(value.isKindOf(Symbol).not and: { value.isString.not }) { ^value };
		^choices.indexOf(value.asSymbol) ?? {
			Error("LiveBand: %% cannot be %%: accepted are %%".format(name, value, choices.join(", "))).throw
		}
	}
}
"""


def controls_class() -> str:
    """`LiveBandControls.sc`."""
    rows = []
    for control in CONTROLS:
        choices = ", ".join(f"'{choice}'" for choice in control.choices)
        numbers = ", ".join(map(_number, (control.minimum, control.maximum, control.default)))
        words = f"'{control.name}', '{control.kind}', \"{control.unit}\""
        rows.append(f"\t\t\t[{words}, {numbers}, [{choices}]]")
    return _CLASS % {"rows": ",\n".join(rows)}


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
