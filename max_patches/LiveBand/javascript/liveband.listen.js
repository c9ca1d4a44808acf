// SPDX-License-Identifier: GPL-3.0-or-later
// The sidecar of liveband.osc: it watches a session that somebody else plays. Max, a socket and a clock around lib/listener.js.
"use strict";

const { run } = require("./lib/node_for_max.js");
const { Listener } = require("./lib/listener.js");

run(new Listener());
