// SPDX-License-Identifier: GPL-3.0-or-later
// What a project keeps of the plug-in: its controls and what the user told of the music. Values only.
#pragma once

#include <string>

#include "Controls.h"

namespace liveband::plugin {

/// What the user told, and how the window looks.
struct Notes {
    std::string chart;  // chord line
    std::string key;
    std::string style;
    std::string moment;  // name of the moment that was kept on the server, empty if none
    int width = 0;       // of the editor; 0: as it comes
};

/// The chunk: sections `controls` (name to value in the control's unit) and `notes`, both msgpack maps; `exact`, one too,
/// if a host gave numbers that stand beside their places (name to number, 0..1); and `moment`, the kept moment's bytes,
/// if there is one that fits. Triggers are not in it.
std::string save(const Controls& controls, const Notes& notes);

/// Takes over a chunk: every control and note that is in it and makes sense; triggers go back to 0. Bytes that are no chunk of ours change
/// nothing; false then, with a line in `reason`.
bool restore(const void* data, std::size_t bytes, const Controls& controls, Notes& notes, std::string& reason);

}  // namespace liveband::plugin
