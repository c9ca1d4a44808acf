// SPDX-License-Identifier: GPL-3.0-or-later
// The VST3 interfaces that the host talks to, and how it asks an object for one of them.
#pragma once

#include <pluginterfaces/base/funknown.h>
#include <pluginterfaces/base/ibstream.h>
#include <pluginterfaces/base/ipluginbase.h>
#include <pluginterfaces/gui/iplugview.h>
#include <pluginterfaces/vst/ivstaudioprocessor.h>
#include <pluginterfaces/vst/ivstcomponent.h>
#include <pluginterfaces/vst/ivsteditcontroller.h>
#include <pluginterfaces/vst/ivsthostapplication.h>
#include <pluginterfaces/vst/ivstmessage.h>
#include <pluginterfaces/vst/ivstmidicontrollers.h>
#include <pluginterfaces/vst/ivstparameterchanges.h>
#include <pluginterfaces/vst/ivstprocesscontext.h>
#include <pluginterfaces/vst/ivstunits.h>

#include <string>

namespace host {

namespace vst = Steinberg::Vst;
using Steinberg::FUnknown;
using Steinberg::int32;
using Steinberg::int64;
using Steinberg::IPtr;
using Steinberg::kResultFalse;
using Steinberg::kResultOk;
using Steinberg::tresult;
using Steinberg::TUID;
using Steinberg::uint32;

/// The interface `iid` of an object; null if it has none.
template <class Interface>
IPtr<Interface> as(FUnknown* object, const TUID iid) {
    void* found = nullptr;
    if (object == nullptr || object->queryInterface(iid, &found) != kResultOk) return nullptr;
    return IPtr<Interface>(static_cast<Interface*>(found), false);
}

inline bool same(const TUID one, const TUID other) {
    return Steinberg::FUnknownPrivate::iidEqual(one, other);
}

/// A VST3 string as UTF-8 (what is outside of ASCII as `?`: for messages).
std::string narrow(const vst::TChar* text);
void widen(const std::string& text, vst::String128 into);

}  // namespace host
