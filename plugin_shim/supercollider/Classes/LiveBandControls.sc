// SPDX-License-Identifier: GPL-3.0-or-later
// Written by `python -m lbserver.protocol.generate` from lbserver/protocol. Do not edit.
LiveBandControls {
	classvar <all;  // of each control in turn: name, kind, unit, lowest, highest, default, choices

	*initClass {
		all = [
			['stem', 'choice', "", 0, 3, 1, ['drums', 'bass', 'piano', 'guitar']],
			['mix', 'float', "", 0, 1, 1, []],
			['gain', 'float', "dB", -60, 24, 0, []],
			['variation', 'float', "", 0, 2, 1, []],
			['adherence', 'float', "", 0, 4, 1, []],
			['density', 'float', "", 0, 1, 0.5, []],
			['brightness', 'float', "", 0, 1, 0.5, []],
			['seed', 'int', "", 0, 2147483647, 0, []],
			['reset', 'trigger', "", 0, 1, 0, []],
			['freeze', 'bool', "", 0, 1, 0, []],
			['listen', 'bool', "", 0, 1, 1, []],
			['mode', 'choice', "", 0, 3, 0, ['live', 'aligned', 'bounce', 'manual']],
			['anticipation', 'float', "ms", 0, 1000, 40, []],
			['when_silent', 'choice', "", 0, 2, 0, ['auto', 'rest', 'play_on']],
			['time_feel', 'choice', "", 0, 2, 1, ['half', 'as_heard', 'double']],
			['tempo_low', 'float', "BPM", 20, 400, 20, []],
			['tempo_high', 'float', "BPM", 20, 400, 400, []],
			['tacet', 'bool', "", 0, 1, 0, []],
			['fade', 'float', "beats", 0, 32, 2, []],
			['mute', 'bool', "", 0, 1, 0, []],
			['intensity', 'float', "", 0, 1, 0.5, []],
			['quantise', 'choice', "", 0, 2, 0, ['at_once', 'next_beat', 'next_bar']],
			['count_in', 'trigger', "", 0, 1, 0, []],
			['next_section', 'trigger', "", 0, 1, 0, []],
			['tap', 'trigger', "", 0, 1, 0, []],
			['quality', 'choice', "", 0, 3, 1, ['draft', 'fast', 'fine', 'full']]
		]
	}

	*names {
		^all.collect(_.first)
	}

	*indexOf { |name|
		^this.names.indexOf(name.asSymbol) ?? {
			Error("LiveBand has no control %: there are %".format(name, this.names.join(", "))).throw
		}
	}

	// A choice by its name or number, everything else as it is.
	*valueOf { |name, value|
		var choices = all[this.indexOf(name)].last;
		if(value.isKindOf(Symbol).not and: { value.isString.not }) { ^value };
		^choices.indexOf(value.asSymbol) ?? {
			Error("LiveBand: % cannot be %: accepted are %".format(name, value, choices.join(", "))).throw
		}
	}
}
