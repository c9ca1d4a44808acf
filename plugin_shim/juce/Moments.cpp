// SPDX-License-Identifier: GPL-3.0-or-later
#include "Moments.h"

#include <juce_core/juce_core.h>

#include "Chunk.h"

#if !JUCE_WINDOWS
#include <sys/stat.h>
#endif

namespace liveband::plugin {
namespace {

constexpr std::size_t kMostKeptBytes = std::size_t{8} << 20;  // the server keeps none that is longer

juce::File folder() {
    const auto told = juce::SystemStats::getEnvironmentVariable("XDG_DATA_HOME", {});
    const auto base = juce::File::isAbsolutePath(told)
                          ? juce::File(told)
                          : juce::File::getSpecialLocation(juce::File::userHomeDirectory).getChildFile(".local/share");
    return base.getChildFile("liveband/moments");
}

juce::File fileOf(const std::string& name) {
    return folder().getChildFile(juce::String(name) + ".moment");
}

bool isMoment(const std::string& bytes) {
    std::string reason;
    return !bytes.empty() && bytes.size() <= kMostMomentBytes && unpackChunk(bytes.data(), bytes.size(), reason);
}

/// With its light memory in the place of the whole one; empty if it has none, or that is too long as well.
std::string lightened(const std::string& bytes) {
    std::string reason;
    const auto whole = unpackChunk(bytes.data(), bytes.size(), reason, kMostKeptBytes);
    if (!whole) return {};
    Sections light;
    for (const auto& [name, data] : *whole) {
        if (name == "about") light.emplace_back(name, data);
        if (name == "light") light.emplace_back("memory", data);
    }
    const auto packed = light.size() == 2 ? packChunk(light) : std::string();
    return packed.size() <= kMostMomentBytes ? packed : std::string();
}

/// Whole or not at all, and for this user's eyes only.
bool write(const juce::File& file, const std::string& bytes) {
    if (!file.getParentDirectory().createDirectory()) return false;
    const juce::TemporaryFile part(file, juce::TemporaryFile::useHiddenFile);
#if !JUCE_WINDOWS
    ::chmod(file.getParentDirectory().getFullPathName().toRawUTF8(), 0700);
    if (!part.getFile().create()) return false;
    ::chmod(part.getFile().getFullPathName().toRawUTF8(), 0600);
#endif
    {
        juce::FileOutputStream out(part.getFile());
        if (!out.openedOk() || !out.write(bytes.data(), bytes.size())) return false;
        out.flush();
        if (out.getStatus().failed()) return false;
    }
    return part.overwriteTargetFileWithTemporary();
}

}  // namespace

std::string readMoment(const std::string& name) {
    const auto file = fileOf(name);
    if (name.empty() || file.isSymbolicLink() || !file.existsAsFile() ||
        file.getSize() > static_cast<juce::int64>(kMostKeptBytes))
        return {};
    juce::MemoryBlock read;
    if (!file.loadFileAsData(read)) return {};
    std::string bytes(static_cast<const char*>(read.getData()), read.getSize());
    if (bytes.size() > kMostMomentBytes) return lightened(bytes);
    return isMoment(bytes) ? bytes : std::string();
}

std::string giveMoment(const std::string& name, const std::string& bytes) {
    if (!isMoment(bytes)) return {};
    if (readMoment(name) == bytes) return name;
    const auto free = fileOf(name).exists() ? newMomentName() : name;
    return write(fileOf(free), bytes) ? free : std::string();
}

std::string newMomentName() {
    return "moment-" + juce::Uuid().toString().substring(0, 12).toStdString();
}

}  // namespace liveband::plugin
