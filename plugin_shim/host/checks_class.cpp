// SPDX-License-Identifier: GPL-3.0-or-later
// After Steinberg's validator: what the module, its classes, parameters, units and buses say of themselves.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "check.h"

namespace host {
namespace {

using vst::ParameterInfo;

void scanClasses(Bench& bench) {
    Module module(bench.bundle);
    auto& factory = module.factory();
    bench.expect(factory.countClasses() >= 2, "fewer than two classes");
    std::set<std::string> ids;
    auto second = as<Steinberg::IPluginFactory2>(&factory, Steinberg::IPluginFactory2_iid);
    bench.expect(second != nullptr, "no IPluginFactory2");
    for (int32 i = 0; i < factory.countClasses(); ++i) {
        Steinberg::PClassInfo info;
        bench.expect(factory.getClassInfo(i, &info) == kResultOk, "no class info");
        bench.expect(ids.insert(std::string(info.cid, sizeof(TUID))).second, "two classes have one id");
        bench.expect(std::string(info.cid, sizeof(TUID)) != std::string(sizeof(TUID), '\0'), "a class id is zero");
        bench.expect(info.cardinality == Steinberg::PClassInfo::kManyInstances, "cardinality");
        bench.expect(std::strlen(info.name) > 0 && std::strlen(info.category) > 0, "a class without name or category");
        Steinberg::PClassInfo2 more;
        if (second && second->getClassInfo2(i, &more) == kResultOk) {
            bench.expect(std::strlen(more.vendor) > 0 && std::strlen(more.version) > 0, "no vendor or version");
            bench.expect(std::strncmp(more.sdkVersion, "VST 3", 5) == 0, "SDK version");
            if (std::strcmp(more.category, "Audio Module Class") == 0)
                bench.expect(std::string(more.subCategories) == "Fx", "subcategories are not Fx");
        }
        void* made = nullptr;
        const auto result = factory.createInstance(info.cid, Steinberg::FUnknown_iid, &made);
        if (result == kResultOk && made != nullptr) static_cast<FUnknown*>(made)->release();
    }
    Steinberg::PFactoryInfo info;
    bench.expect(factory.getFactoryInfo(&info) == kResultOk && std::strlen(info.vendor) > 0, "no factory info");
    bench.expect((info.flags & Steinberg::PFactoryInfo::kUnicode) != 0, "not Unicode");
}

void editorClasses(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    TUID id;
    bench.expect(plug.component->getControllerClassId(id) == kResultOk, "the component names no controller");
    bool found = false;
    for (int32 i = 0; i < module.factory().countClasses(); ++i) {
        Steinberg::PClassInfo info;
        found = found || (module.factory().getClassInfo(i, &info) == kResultOk && same(info.cid, id));
    }
    bench.expect(found, "the factory does not know the controller's class");
}

void scanParameters(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    const auto all = plug.parameters();
    bench.expect(!all.empty() && static_cast<int32>(all.size()) == plug.control->getParameterCount(),
                 "no info of some");
    std::set<vst::ParamID> ids;
    std::set<std::string> titles;
    int bypasses = 0, programs = 0;
    for (const auto& one : all) {
        const auto& info = one.info;
        bench.expect(ids.insert(info.id).second, one.title + ": its id is used twice");
        bench.expect(info.id < 0x80000000u, one.title + ": its id is reserved for hosts");
        bench.expect(!one.title.empty(), "a parameter without a title");
        bench.expect(!narrow(info.shortTitle).empty(), one.title + ": no short title");
        bench.expect(titles.insert(one.title).second, one.title + ": a title used twice");
        bench.expect(info.defaultNormalizedValue >= 0.0 && info.defaultNormalizedValue <= 1.0,
                     one.title + ": default beyond 0..1");
        bench.expect(info.stepCount >= 0, one.title + ": negative steps");
        bench.expect(info.unitId >= -1, one.title + ": unit");
        if ((info.flags & ParameterInfo::kIsBypass) != 0) {
            ++bypasses;
            bench.expect(info.stepCount == 1, "bypass is not a switch");
            bench.expect(info.flags == ParameterInfo::kIsBypass || (info.flags & ParameterInfo::kCanAutomate) != 0,
                         "bypass has flags that it may not have");
        }
        programs += (info.flags & ParameterInfo::kIsProgramChange) != 0 ? 1 : 0;
        if ((info.flags & ParameterInfo::kIsReadOnly) != 0)
            bench.expect((info.flags & (ParameterInfo::kCanAutomate | ParameterInfo::kIsProgramChange |
                                        ParameterInfo::kIsWrapAround)) == 0,
                         one.title + ": read-only, and yet to be changed");
        if ((info.flags & ParameterInfo::kIsList) != 0) bench.expect(info.stepCount > 0, one.title + ": empty list");
        const double value = plug.control->getParamNormalized(info.id);
        bench.expect(value >= 0.0 && value <= 1.0, one.title + ": value beyond 0..1");
        bench.expect(std::fabs(value - info.defaultNormalizedValue) < 1e-5,
                     one.title + ": does not begin at its default");
    }
    bench.expect(bypasses == 1, "not one bypass");
    bench.expect(programs <= 1, "more than one program change");
}

void roundTrips(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    for (const auto& one : plug.parameters()) {
        const auto id = one.info.id;
        for (int step = 0; step <= 40; ++step) {
            const double normal = step / 40.0;
            const double plain = plug.control->normalizedParamToPlain(id, normal);
            const double back = plug.control->plainParamToNormalized(id, plain);
            const double grain = one.info.stepCount > 0 ? 0.5 / one.info.stepCount + 1e-9 : 1e-6;
            bench.expect(std::isfinite(plain) && std::fabs(back - normal) <= grain,
                         one.title + ": plain value and back");
        }
    }
}

void stringValues(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    for (const auto& one : plug.parameters()) {
        const auto id = one.info.id;
        const int steps = one.info.stepCount > 0 && one.info.stepCount <= 40 ? one.info.stepCount : 40;
        for (int step = 0; step <= steps; ++step) {
            vst::String128 text{}, again{};
            double normal = static_cast<double>(step) / steps, back = -1.0;
            if (!bench.expect(plug.control->getParamStringByValue(id, normal, text) == kResultOk,
                              one.title + ": no text"))
                continue;
            bench.expect(narrow(text).size() > 0, one.title + ": an empty text");
            if (!bench.expect(plug.control->getParamValueByString(id, text, back) == kResultOk,
                              one.title + ": its own text '" + narrow(text) + "' is refused"))
                continue;
            bench.expect(back >= 0.0 && back <= 1.0, one.title + ": text gives a value beyond 0..1");
            plug.control->getParamStringByValue(id, back, again);
            bench.expect(narrow(text) == narrow(again),
                         one.title + ": '" + narrow(text) + "' comes back as '" + narrow(again) + "'");
        }
        for (const char* odd : {"", "nan", "inf", "-1e999", "banana", "1e30", "%n%n%s", "\x01\x02"}) {
            vst::String128 text;
            widen(odd, text);
            double back = 0.5;
            if (plug.control->getParamValueByString(id, text, back) == kResultOk)
                bench.expect(back >= 0.0 && back <= 1.0, one.title + ": '" + odd + "' gives a value beyond 0..1");
        }
    }
}

void scanUnits(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    auto units = as<vst::IUnitInfo>(plug.control, vst::IUnitInfo_iid);
    if (!units) return;
    std::set<int32> lists{vst::kNoProgramListId};
    for (int32 i = 0; i < units->getProgramListCount(); ++i) {
        vst::ProgramListInfo info;
        if (units->getProgramListInfo(i, info) == kResultOk) lists.insert(info.id);
    }
    std::set<int32> ids;
    int roots = 0;
    for (int32 i = 0; i < units->getUnitCount(); ++i) {
        vst::UnitInfo info;
        if (!bench.expect(units->getUnitInfo(i, info) == kResultOk, "a unit without info")) continue;
        bench.expect(info.id >= 0 && ids.insert(info.id).second, "a unit's id is negative or used twice");
        bench.expect(!narrow(info.name).empty(), "a unit without a name");
        bench.expect(info.parentUnitId != info.id, "a unit is its own parent");
        bench.expect(lists.count(info.programListId) == 1, "a unit's program list does not exist");
        if (info.parentUnitId == vst::kNoParentUnitId) {
            ++roots;
            bench.expect(info.id == vst::kRootUnitId, "a unit without a parent is not the root");
        }
    }
    bench.expect(roots <= 1, "more than one root");
    for (int32 i = 0; i < units->getUnitCount(); ++i) {
        vst::UnitInfo info;
        if (units->getUnitInfo(i, info) == kResultOk)
            bench.expect(info.parentUnitId == vst::kNoParentUnitId || info.parentUnitId == vst::kRootUnitId ||
                             ids.count(info.parentUnitId) == 1,
                         "a unit's parent does not exist");
    }
    for (const auto& one : plug.parameters())
        bench.expect(one.info.unitId == vst::kRootUnitId || ids.count(one.info.unitId) == 1,
                     one.title + ": its unit does not exist");
    vst::UnitInfo none;
    bench.expect(units->getUnitInfo(999, none) != kResultOk, "unit 999 has an info");
}

void scanPrograms(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    auto units = as<vst::IUnitInfo>(plug.control, vst::IUnitInfo_iid);
    if (!units) return;
    std::set<int32> ids;
    int32 most = 0;
    for (int32 i = 0; i < units->getProgramListCount(); ++i) {
        vst::ProgramListInfo info;
        if (!bench.expect(units->getProgramListInfo(i, info) == kResultOk, "a program list without info")) continue;
        bench.expect(info.id >= 0 && ids.insert(info.id).second, "a program list's id is negative or used twice");
        bench.expect(!narrow(info.name).empty(), "a program list without a name");
        most = std::max(most, info.programCount);
        for (int32 program = 0; program < info.programCount; ++program) {
            vst::String128 name{};
            bench.expect(units->getProgramName(info.id, program, name) == kResultOk, "a program that is not there");
            bench.expect(!narrow(name).empty(), "program " + std::to_string(program) + " has an empty name");
        }
        vst::String128 none{};
        bench.expect(units->getProgramName(info.id, info.programCount, none) != kResultOk,
                     "a program beyond the last has a name");
    }
    for (const auto& one : plug.parameters())
        if ((one.info.flags & ParameterInfo::kIsProgramChange) != 0)
            bench.expect(one.info.stepCount == most - 1, one.title + ": its steps are not those of the programs");
}

void scanBusses(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    int mains = 0;
    for (const int32 direction : {vst::kInput, vst::kOutput}) {
        const int32 count = plug.component->getBusCount(vst::kAudio, direction);
        bench.expect(count == (direction == vst::kInput ? 2 : 1), "number of audio buses");
        for (int32 i = 0; i < count; ++i) {
            vst::BusInfo info;
            bench.expect(plug.component->getBusInfo(vst::kAudio, direction, i, info) == kResultOk,
                         "a bus without info");
            bench.expect(info.direction == direction && info.mediaType == vst::kAudio, "a bus is of another kind");
            bench.expect(info.channelCount == 2 && !narrow(info.name).empty(), "a bus without channels or name");
            const bool main = i == 0;
            bench.expect((info.busType == vst::kMain) == main, "main and side bus");
            bench.expect(((info.flags & vst::BusInfo::kDefaultActive) != 0) == main, "which bus is on by default");
            mains += info.busType == vst::kMain ? 1 : 0;
            vst::SpeakerArrangement speakers = 0;
            bench.expect(plug.audio->getBusArrangement(direction, i, speakers) == kResultOk, "a bus without speakers");
            bench.expect(channels(speakers) == info.channelCount, "speakers and channels differ");
        }
    }
    bench.expect(mains == 2, "main buses");
    bench.expect(plug.component->getBusCount(vst::kEvent, vst::kInput) == 0, "a bus of events");
}

void invalidBus(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    for (const int32 type : {vst::kAudio, vst::kEvent})
        for (const int32 direction : {vst::kInput, vst::kOutput})
            for (const int32 index : {-1, 2, 100, 0x7FFFFFFF, static_cast<int32>(0x80000000)}) {
                vst::BusInfo info;
                bench.expect(plug.component->getBusInfo(type, direction, index, info) != kResultOk, "info of no bus");
                bench.expect(plug.component->activateBus(type, direction, index, true) != kResultOk,
                             "no bus activated");
                vst::SpeakerArrangement speakers = 0;
                if (type == vst::kAudio)
                    bench.expect(plug.audio->getBusArrangement(direction, index, speakers) != kResultOk,
                                 "speakers of no bus");
            }
}

void busActivation(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    for (const int32 direction : {vst::kInput, vst::kOutput})
        for (int32 i = 0; i < plug.component->getBusCount(vst::kAudio, direction); ++i)
            for (const bool on : {true, false, false, true, true}) {
                const auto result = plug.component->activateBus(vst::kAudio, direction, i, on);
                bench.expect(result == kResultOk, std::string(direction == vst::kInput ? "input " : "output ") +
                                                      std::to_string(i) + (on ? " on" : " off") + " is refused");
            }
}

void busArrangements(Bench& bench) {
    namespace Arr = vst::SpeakerArr;
    Module module(bench.bundle);
    Plug plug(module);
    const vst::SpeakerArrangement some[] = {Arr::kMono, Arr::kStereo, Arr::k30Cine,
                                            Arr::k51,   Arr::k71Cine, Arr::kEmpty};
    for (const auto in : some)
        for (const auto out : some)
            for (const auto listen : {Arr::kEmpty, Arr::kMono, Arr::kStereo, Arr::k51}) {
                vst::SpeakerArrangement inputs[] = {in, listen}, output = out;
                const bool ours = in == out && (in == Arr::kMono || in == Arr::kStereo) && listen != Arr::k51;
                const bool taken = plug.audio->setBusArrangements(inputs, 2, &output, 1) == Steinberg::kResultTrue;
                // Whether "off" is a layout of a side chain is the wrapper's matter.
                if (listen != Arr::kEmpty) bench.expect(taken == ours, "a layout is taken or refused wrongly");
                vst::SpeakerArrangement got_in = 0, got_out = 0;
                plug.audio->getBusArrangement(vst::kInput, 0, got_in);
                plug.audio->getBusArrangement(vst::kOutput, 0, got_out);
                bench.expect(channels(got_in) == channels(got_out), "in and out have become unequal");
                if (taken) bench.expect(got_in == in && got_out == out, "a layout that was taken is not there");
            }
}

void otherInterfaces(Bench& bench) {
    Module module(bench.bundle);
    Plug plug(module);
    if (auto midi = as<vst::IMidiMapping>(plug.control, vst::IMidiMapping_iid)) {
        std::set<vst::ParamID> known;
        for (const auto& one : plug.parameters()) known.insert(one.info.id);
        for (int32 bus = -1; bus < 3; ++bus)
            for (Steinberg::int16 channel = -1; channel < 18; ++channel)
                for (vst::CtrlNumber number = -1; number < 132; ++number) {
                    vst::ParamID id = 0;
                    if (midi->getMidiControllerAssignment(bus, channel, number, id) == kResultOk)
                        bench.expect(known.count(id) == 1, "a MIDI controller moves what is no parameter");
                }
    }
    void* none = &none;
    const TUID nobody = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    bench.expect(plug.component->queryInterface(nobody, &none) != kResultOk && none == nullptr,
                 "any interface is found");
    auto one = as<FUnknown>(plug.component, Steinberg::FUnknown_iid);
    auto again = as<FUnknown>(plug.audio, Steinberg::FUnknown_iid);
    bench.expect(one == again, "component and processor are two objects");
}

}  // namespace

std::vector<Check> classChecks() {
    return {{"validator/Scan Classes", scanClasses},       {"validator/Scan Editor Classes", editorClasses},
            {"validator/Scan Parameters", scanParameters}, {"validator/Parameter Plain Values", roundTrips},
            {"validator/Parameter Texts", stringValues},   {"validator/Scan Units", scanUnits},
            {"validator/Scan Programs", scanPrograms},     {"validator/MIDI Mapping and Interfaces", otherInterfaces},
            {"validator/Scan Buses", scanBusses},          {"validator/Bus Invalid Index", invalidBus},
            {"validator/Bus Activation", busActivation},   {"validator/Speaker Arrangements", busArrangements}};
}

}  // namespace host
