// SPDX-License-Identifier: GPL-3.0-or-later
// A display where no window manager ever ran: machines that test plug-ins, bridges of some hosts.
#pragma once

namespace liveband::plugin {

/// JUCE looks up the names that window managers use when it opens its display, and later uses those that were not there:
/// an error of X that ends the host's process. While this lives they are there; once JUCE has its own display, that
/// keeps them. Does nothing without X11, and touches no handler of errors.
class NamedAtoms {
  public:
    NamedAtoms();
    ~NamedAtoms();
    NamedAtoms(const NamedAtoms&) = delete;
    NamedAtoms& operator=(const NamedAtoms&) = delete;

  private:
    void *library_ = nullptr, *display_ = nullptr;
};

}  // namespace liveband::plugin
