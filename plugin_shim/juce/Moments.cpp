// SPDX-License-Identifier: GPL-3.0-or-later
#include "Moments.h"

#include <juce_core/juce_core.h>

#include "Chunk.h"

#if !JUCE_WINDOWS
#include <sys/stat.h>
#endif

namespace liveband::plugin {
namespace {

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
        file.getSize() > static_cast<juce::int64>(kMostMomentBytes))
        return {};
    juce::MemoryBlock read;
    if (!file.loadFileAsData(read)) return {};
    std::string bytes(static_cast<const char*>(read.getData()), read.getSize());
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
