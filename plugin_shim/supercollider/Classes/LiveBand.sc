// SPDX-License-Identifier: GPL-3.0-or-later
LiveBand : MultiOutUGen {
	*ar { |in, tempo = 0, play = 1, id = 0, controls, beatsPerBar = 4, block = 512|
		var signals = in.asArray.collect { |each| if(each.rate == 'audio') { each } { K2A.ar(each) } };
		var pairs = [];
		if([1, 2].includes(signals.size).not) {
			Error("LiveBand.ar wants one or two channels, not %".format(signals.size)).throw
		};
		controls.asArray.pairsDo { |name, value|
			pairs = pairs ++ [LiveBandControls.indexOf(name), LiveBandControls.valueOf(name, value)]
		};
		^this.multiNewList(['audio', id, tempo, play, beatsPerBar, block, signals.size] ++ signals ++ pairs)
	}

	init { |... theInputs|
		inputs = theInputs;
		^this.initOutputs(theInputs[5], rate)
	}

	// Whatever is played by id: to the default server unless another is named.
	*say { |id, word ... arguments|
		Server.default.sendMsg(*this.message(id, word, *arguments))
	}
	// The same as a message, for scores and bundles.
	*message { |id, word ... arguments|
		^['/cmd', 'liveband', id, word] ++ arguments
	}
	*set { |id, name, value = 1|
		LiveBandControls.indexOf(name);
		this.say(id, 'set', name, value)
	}
	*chord { |id, name = ""| this.say(id, 'chord', name) }
	*key { |id, name = ""| this.say(id, 'key', name) }
	*style { |id, prompts = ""| this.say(id, 'style', prompts) }
	*chart { |id, bars = ""| this.say(id, 'chart', bars) }
	*keep { |id, name = "moment"| this.say(id, 'keep', name) }
	*recall { |id, name = "moment"| this.say(id, 'recall', name) }
}
