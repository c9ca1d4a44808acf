// SPDX-License-Identifier: GPL-3.0-or-later
// A bundle's shared library, loaded as a host loads it.
#pragma once

#include <stdexcept>
#include <string>

#include "sdk.h"

namespace host {

/// What a host would tell its user: the plug-in cannot be used at all.
class Unusable : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Loaded while it lives.
class Module {
  public:
    /// `bundle`: the folder LiveBand.vst3. Throws Unusable.
    explicit Module(const std::string& bundle);
    ~Module();
    Module(const Module&) = delete;
    Module& operator=(const Module&) = delete;

    Steinberg::IPluginFactory& factory() const { return *factory_; }
    /// The path of the library inside of the bundle.
    const std::string& library() const { return library_; }
    /// The class that processes audio. Throws Unusable.
    Steinberg::PClassInfo audioClass() const;

  private:
    std::string library_;
    void* handle_ = nullptr;
    IPtr<Steinberg::IPluginFactory> factory_;
};

}  // namespace host
