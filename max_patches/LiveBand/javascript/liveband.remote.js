// SPDX-License-Identifier: GPL-3.0-or-later
// The sidecar of liveband.remote: Max, a socket and a clock around lib/sidecar.js.
"use strict";

const { run } = require("./lib/node_for_max.js");
const { Sidecar } = require("./lib/sidecar.js");

run(new Sidecar());
