// SPDX-License-Identifier: GPL-3.0-or-later
// The moment that a user kept, as the server's file: so that a project can carry it to another machine.
#pragma once

#include <cstddef>
#include <string>

namespace liveband::plugin {

/// Of a moment in a project. Of longer ones the project holds what the server calls light, or else their name only.
inline constexpr std::size_t kMostMomentBytes = std::size_t{900} << 10;

/// A kept moment as a project holds it; empty if there is none of this name, or it is too long or damaged.
std::string readMoment(const std::string& name);

/// Puts a project's moment where the server looks for it, and returns the name under which it lies: `name`, or a new
/// one if another moment has this name by now. Empty if it is no moment or cannot be written.
std::string giveMoment(const std::string& name, const std::string& bytes);

/// A name that no other moment has.
std::string newMomentName();

}  // namespace liveband::plugin
