// SPDX-License-Identifier: GPL-3.0-or-later
#include "context.h"

#include <algorithm>
#include <cstring>

namespace host {
namespace {

class Attributes final : public IAttributeList {
  public:
    LIVEBAND_HOST_OBJECT(IAttributeList)
    tresult PLUGIN_API setInt(AttrID id, int64 value) override {
        ints_[id] = value;
        return kResultOk;
    }
    tresult PLUGIN_API getInt(AttrID id, int64& value) override { return find(ints_, id, value); }
    tresult PLUGIN_API setFloat(AttrID id, double value) override {
        floats_[id] = value;
        return kResultOk;
    }
    tresult PLUGIN_API getFloat(AttrID id, double& value) override { return find(floats_, id, value); }
    tresult PLUGIN_API setString(AttrID id, const vst::TChar* text) override {
        std::u16string copy;
        while (*text != 0) copy += *text++;
        strings_[id] = copy;
        return kResultOk;
    }
    tresult PLUGIN_API getString(AttrID id, vst::TChar* text, uint32 bytes) override {
        std::u16string found;
        if (find(strings_, id, found) != kResultOk || bytes < sizeof(vst::TChar)) return kResultFalse;
        const auto most = std::min<std::size_t>(found.size(), bytes / sizeof(vst::TChar) - 1);
        std::copy_n(found.begin(), most, text);
        text[most] = 0;
        return kResultOk;
    }
    tresult PLUGIN_API setBinary(AttrID id, const void* data, uint32 bytes) override {
        binaries_[id].assign(static_cast<const char*>(data), static_cast<const char*>(data) + bytes);
        return kResultOk;
    }
    tresult PLUGIN_API getBinary(AttrID id, const void*& data, uint32& bytes) override {
        const auto found = binaries_.find(id);
        if (found == binaries_.end()) return kResultFalse;
        data = found->second.data();
        bytes = static_cast<uint32>(found->second.size());
        return kResultOk;
    }

  private:
    template <class Value>
    static tresult find(const std::map<std::string, Value>& all, AttrID id, Value& value) {
        const auto found = all.find(id);
        if (found == all.end()) return kResultFalse;
        value = found->second;
        return kResultOk;
    }
    std::map<std::string, int64> ints_;
    std::map<std::string, double> floats_;
    std::map<std::string, std::u16string> strings_;
    std::map<std::string, std::vector<char>> binaries_;
};

/// The plug-in owns what it asks the host to make.
class Message final : public vst::IMessage {
  public:
    tresult PLUGIN_API queryInterface(const TUID asked, void** object) override {
        *object = nullptr;
        if (!same(asked, vst::IMessage_iid) && !same(asked, Steinberg::FUnknown_iid)) return Steinberg::kNoInterface;
        addRef();
        *object = static_cast<vst::IMessage*>(this);
        return kResultOk;
    }
    uint32 PLUGIN_API addRef() override { return ++count_; }
    uint32 PLUGIN_API release() override {
        const uint32 left = --count_;
        if (left == 0) delete this;
        return left;
    }
    Steinberg::FIDString PLUGIN_API getMessageID() override { return id_.c_str(); }
    void PLUGIN_API setMessageID(Steinberg::FIDString id) override { id_ = id; }
    IAttributeList* PLUGIN_API getAttributes() override { return &attributes_; }

  private:
    virtual ~Message() = default;
    std::atomic<uint32> count_{1};
    std::string id_;
    Attributes attributes_;
};

}  // namespace

tresult Application::getName(vst::String128 name) {
    widen("LiveBand's test host", name);
    return kResultOk;
}

tresult Application::createInstance(TUID cid, TUID asked, void** object) {
    *object = nullptr;
    if (!same(cid, vst::IMessage_iid) || !same(asked, vst::IMessage_iid)) return Steinberg::kNoInterface;
    *object = static_cast<vst::IMessage*>(new Message);
    return kResultOk;
}

tresult Handler::beginEdit(vst::ParamID) {
    ++begun;
    return kResultOk;
}

tresult Handler::performEdit(vst::ParamID, vst::ParamValue value) {
    ++performed;
    if (!(value >= 0.0 && value <= 1.0)) ++bad_values;
    return kResultOk;
}

tresult Handler::endEdit(vst::ParamID) {
    ++ended;
    return kResultOk;
}

tresult Handler::restartComponent(int32 told) {
    ++restarts;
    if ((told & vst::kLatencyChanged) != 0) ++latency_restarts;
    flags |= told;
    return kResultOk;
}

tresult Stream::read(void* into, int32 bytes, int32* moved) {
    auto most = std::min<std::size_t>(static_cast<std::size_t>(std::max(bytes, 0)), bytes_.size() - at_);
    if (piece_ > 0) most = std::min<std::size_t>(most, static_cast<std::size_t>(piece_));
    if (most > 0) std::memcpy(into, bytes_.data() + at_, most);
    at_ += most;
    if (moved != nullptr) *moved = static_cast<int32>(most);
    return kResultOk;
}

tresult Stream::write(void* from, int32 bytes, int32* moved) {
    auto most = static_cast<std::size_t>(std::max(bytes, 0));
    if (piece_ > 0) most = std::min<std::size_t>(most, static_cast<std::size_t>(piece_));
    if (at_ + most > bytes_.size()) bytes_.resize(at_ + most);
    if (most > 0) std::memcpy(bytes_.data() + at_, from, most);
    at_ += most;
    if (moved != nullptr) *moved = static_cast<int32>(most);
    return kResultOk;
}

tresult Stream::seek(int64 to, int32 mode, int64* reached) {
    const auto size = static_cast<int64>(bytes_.size());
    const int64 from = mode == kIBSeekSet ? 0 : mode == kIBSeekCur ? static_cast<int64>(at_) : size;
    if (from + to < 0 || from + to > size) return kResultFalse;
    at_ = static_cast<std::size_t>(from + to);
    if (reached != nullptr) *reached = from + to;
    return kResultOk;
}

tresult Stream::tell(int64* at) {
    if (at == nullptr) return Steinberg::kInvalidArgument;
    *at = static_cast<int64>(at_);
    return kResultOk;
}

tresult Queue::getPoint(int32 index, int32& offset, vst::ParamValue& value) {
    if (index < 0 || index >= count) return kResultFalse;
    offset = points[static_cast<std::size_t>(index)].offset;
    value = points[static_cast<std::size_t>(index)].value;
    return kResultOk;
}

tresult Queue::addPoint(int32 offset, vst::ParamValue value, int32& index) {
    if (count >= kMostPoints) return kResultFalse;
    index = count++;
    points[static_cast<std::size_t>(index)] = {offset, value};
    return kResultOk;
}

vst::IParamValueQueue* Changes::getParameterData(int32 index) {
    return index >= 0 && index < count_ ? &queues_[static_cast<std::size_t>(index)] : nullptr;
}

vst::IParamValueQueue* Changes::addParameterData(const vst::ParamID& id, int32& index) {
    for (index = 0; index < count_; ++index)
        if (queues_[static_cast<std::size_t>(index)].id == id) return &queues_[static_cast<std::size_t>(index)];
    if (count_ >= kMostQueues) return nullptr;
    auto& queue = queues_[static_cast<std::size_t>(count_++)];
    queue.id = id;
    queue.count = 0;
    return &queue;
}

void Changes::add(vst::ParamID id, int32 offset, vst::ParamValue value) {
    int32 index = 0;
    if (auto* queue = addParameterData(id, index)) queue->addPoint(offset, value, index);
}

}  // namespace host
