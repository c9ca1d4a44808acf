// SPDX-License-Identifier: GPL-3.0-or-later
// What a host gives to a plug-in: itself, messages, a handler of edits, streams, changes of parameters.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "sdk.h"

namespace host {

/// An object that outlives the plug-in's use of it, so that nobody counts. `Interface` with its iid.
#define LIVEBAND_HOST_OBJECT(Interface)                                                \
    tresult PLUGIN_API queryInterface(const TUID asked, void** object) override {      \
        *object = same(asked, Interface##_iid) || same(asked, Steinberg::FUnknown_iid) \
                      ? static_cast<void*>(static_cast<Interface*>(this))              \
                      : nullptr;                                                       \
        return *object != nullptr ? kResultOk : Steinberg::kNoInterface;               \
    }                                                                                  \
    uint32 PLUGIN_API addRef() override {                                              \
        return 1000;                                                                   \
    }                                                                                  \
    uint32 PLUGIN_API release() override {                                             \
        return 1000;                                                                   \
    }

namespace iids {
using Steinberg::IBStream;
using Steinberg::IBStream_iid;
using Steinberg::Vst::IAttributeList;
using Steinberg::Vst::IAttributeList_iid;
using Steinberg::Vst::IComponentHandler;
using Steinberg::Vst::IComponentHandler_iid;
using Steinberg::Vst::IHostApplication;
using Steinberg::Vst::IHostApplication_iid;
using Steinberg::Vst::IParameterChanges;
using Steinberg::Vst::IParameterChanges_iid;
using Steinberg::Vst::IParamValueQueue;
using Steinberg::Vst::IParamValueQueue_iid;
}  // namespace iids
using namespace iids;

class Application final : public IHostApplication {
  public:
    LIVEBAND_HOST_OBJECT(IHostApplication)
    tresult PLUGIN_API getName(vst::String128 name) override;
    tresult PLUGIN_API createInstance(TUID cid, TUID asked, void** object) override;
};

/// Notes what a plug-in tells its host; any thread.
class Handler final : public IComponentHandler {
  public:
    LIVEBAND_HOST_OBJECT(IComponentHandler)
    tresult PLUGIN_API beginEdit(vst::ParamID id) override;
    tresult PLUGIN_API performEdit(vst::ParamID id, vst::ParamValue value) override;
    tresult PLUGIN_API endEdit(vst::ParamID id) override;
    tresult PLUGIN_API restartComponent(int32 flags) override;

    std::atomic<int> begun{0}, performed{0}, ended{0}, restarts{0}, latency_restarts{0};
    std::atomic<int> bad_values{0};  // performed outside of 0..1
    std::atomic<int32> flags{0};
};

/// A state in memory. `piece` > 0: no read and no write moves more bytes than that.
class Stream final : public IBStream {
  public:
    explicit Stream(std::vector<char> bytes = {}, int32 piece = 0) : bytes_(std::move(bytes)), piece_(piece) {}
    LIVEBAND_HOST_OBJECT(IBStream)
    tresult PLUGIN_API read(void* into, int32 bytes, int32* moved) override;
    tresult PLUGIN_API write(void* from, int32 bytes, int32* moved) override;
    tresult PLUGIN_API seek(int64 to, int32 mode, int64* reached) override;
    tresult PLUGIN_API tell(int64* at) override;
    const std::vector<char>& bytes() const { return bytes_; }
    void rewind() { at_ = 0; }

  private:
    std::vector<char> bytes_;
    int32 piece_;
    std::size_t at_ = 0;
};

inline constexpr int kMostQueues = 64, kMostPoints = 128;

/// Points of one parameter; nothing is allocated once it exists.
class Queue final : public IParamValueQueue {
  public:
    LIVEBAND_HOST_OBJECT(IParamValueQueue)
    vst::ParamID PLUGIN_API getParameterId() override { return id; }
    int32 PLUGIN_API getPointCount() override { return count; }
    tresult PLUGIN_API getPoint(int32 index, int32& offset, vst::ParamValue& value) override;
    tresult PLUGIN_API addPoint(int32 offset, vst::ParamValue value, int32& index) override;

    struct Point {
        int32 offset = 0;
        vst::ParamValue value = 0.0;
    };
    vst::ParamID id = 0;
    int32 count = 0;
    std::array<Point, kMostPoints> points{};
};

class Changes final : public IParameterChanges {
  public:
    LIVEBAND_HOST_OBJECT(IParameterChanges)
    int32 PLUGIN_API getParameterCount() override { return count_; }
    vst::IParamValueQueue* PLUGIN_API getParameterData(int32 index) override;
    vst::IParamValueQueue* PLUGIN_API addParameterData(const vst::ParamID& id, int32& index) override;
    void clear() { count_ = 0; }
    void add(vst::ParamID id, int32 offset, vst::ParamValue value);

  private:
    std::array<Queue, kMostQueues> queues_{};
    int32 count_ = 0;
};

}  // namespace host
