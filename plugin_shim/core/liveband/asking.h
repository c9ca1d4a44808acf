// SPDX-License-Identifier: GPL-3.0-or-later
// What is asked of a server, as messages; and what need not be asked, since no server could say yes.
#pragma once

#include <string>
#include <vector>

#include "liveband/bridge.h"
#include "liveband/msgpack.h"

namespace liveband {

/// Whether a change from one to the other leaves the session as it is.
bool sameSession(const Preparation& left, const Preparation& right);
/// Why no session could be opened so; empty if one can.
std::string refusalOf(const Preparation& wish);

/// What only a session that is opened, not configured, is told.
struct Opening {
    std::string model;  // empty: the server's
    std::string stem;
    double seed = 0.0;
    bool resume = false;
};

msgpack::Value helloMessage(const std::string& client);
msgpack::Value openMessage(const std::string& session, const Preparation& wish, const Opening& opening);
msgpack::Value configureMessage(const std::string& session, const Preparation& wish);
/// One message for each thing that can be refused by itself: the bars, the chord, the key.
std::vector<msgpack::Value> knowMessages(const std::string& session, const Knowledge& what);
msgpack::Value momentMessage(const char* type, const std::string& session, const std::string& name);

/// What `more` holds replaces what `known` held.
void learn(Knowledge& known, const Knowledge& more);

}  // namespace liveband
