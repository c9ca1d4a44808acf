// SPDX-License-Identifier: GPL-3.0-or-later
// What a performer types, understood: `set density 0.9`, `chord Am7`, `keep intro`.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "liveband/bridge.h"

namespace liveband {

/// A control in its own unit.
struct Setting {
    protocol::Control control;
    double value;
};
/// A moment to be kept, or to be gone on from.
struct Moment {
    bool keep;
    std::string name;
};
/// Why a line is not understood, and what is accepted.
struct Misunderstood {
    std::string why;
};
using Meaning = std::variant<Setting, Knowledge, Moment, Misunderstood>;

/// The meaning of a line: a word, and what goes with it. A control's name alone means `set`. Never throws but for
/// want of memory.
Meaning understand(std::string_view line);

}  // namespace liveband
