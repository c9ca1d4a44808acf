// SPDX-License-Identifier: GPL-3.0-or-later
#include "module.h"

#include <dlfcn.h>

#include <cstring>
#include <filesystem>

namespace host {
namespace {

std::string inside(const std::string& bundle) {
    const std::filesystem::path folder(bundle);
    auto name = folder.filename().empty() ? folder.parent_path().stem() : folder.stem();
    return (folder / "Contents" / "x86_64-linux" / name).string() + ".so";
}

template <class Function>
Function* entry(void* handle, const char* name) {
    return reinterpret_cast<Function*>(dlsym(handle, name));
}

}  // namespace

std::string narrow(const vst::TChar* text) {
    std::string out;
    for (int i = 0; i < 128 && text[i] != 0; ++i) out += text[i] < 128 ? static_cast<char>(text[i]) : '?';
    return out;
}

void widen(const std::string& text, vst::String128 into) {
    std::size_t i = 0;
    for (; i < text.size() && i < 127; ++i) into[i] = static_cast<vst::TChar>(static_cast<unsigned char>(text[i]));
    into[i] = 0;
}

Module::Module(const std::string& bundle) : library_(inside(bundle)) {
    handle_ = dlopen(library_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) throw Unusable(dlerror());
    auto* enter = entry<bool(void*)>(handle_, "ModuleEntry");
    auto* get = entry<Steinberg::IPluginFactory*()>(handle_, "GetPluginFactory");
    if (enter == nullptr || get == nullptr || entry<bool()>(handle_, "ModuleExit") == nullptr)
        throw Unusable("ModuleEntry, ModuleExit or GetPluginFactory is missing");
    if (!enter(handle_)) throw Unusable("ModuleEntry says no");
    factory_ = IPtr<Steinberg::IPluginFactory>(get(), false);
    if (!factory_) throw Unusable("there is no factory");
}

Module::~Module() {
    factory_ = nullptr;
    if (handle_ == nullptr) return;
    if (auto* leave = entry<bool()>(handle_, "ModuleExit")) leave();
    dlclose(handle_);
}

Steinberg::PClassInfo Module::audioClass() const {
    for (int32 i = 0; i < factory_->countClasses(); ++i) {
        Steinberg::PClassInfo info;
        if (factory_->getClassInfo(i, &info) == kResultOk && std::strcmp(info.category, "Audio Module Class") == 0)
            return info;
    }
    throw Unusable("the factory has no audio module class");
}

}  // namespace host
