// SPDX-License-Identifier: GPL-3.0-or-later
#include "check.h"

namespace host {

std::vector<Check> clapChecks() {
    return {};
}
std::vector<Check> windowChecks() {
    return {};
}

}  // namespace host
