// SPDX-License-Identifier: GPL-3.0-or-later
#include "Chunk.h"

#include <array>
#include <cstring>
#include <string_view>

#include "liveband/msgpack.h"

namespace liveband::plugin {
namespace {

constexpr std::string_view kMagic = "LBCHUNK\n";
constexpr std::uint16_t kMajor = 1, kMinor = 0;
constexpr std::size_t kHeadBytes = 16, kCrcBytes = 4, kMostSections = 64, kMostNameBytes = 64;
constexpr std::size_t kMostTableBytes = 16 * 1024;

std::uint32_t crc32(const unsigned char* data, std::size_t bytes) {
    static const auto table = [] {
        std::array<std::uint32_t, 256> made{};
        for (std::uint32_t index = 0; index < 256; ++index) {
            auto value = index;
            for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1u ? 0xEDB88320u : 0u);
            made[index] = value;
        }
        return made;
    }();
    std::uint32_t crc = 0xFFFFFFFFu;
    for (std::size_t index = 0; index < bytes; ++index) crc = table[(crc ^ data[index]) & 0xFFu] ^ (crc >> 8);
    return ~crc;
}

template <class Number>
void putLittle(std::string& out, Number value) {
    for (std::size_t byte = 0; byte < sizeof value; ++byte)
        out.push_back(static_cast<char>(value >> (8 * byte) & 0xFF));
}

std::uint32_t littleAt(const unsigned char* data, std::size_t bytes) {
    std::uint32_t value = 0;
    for (std::size_t byte = bytes; byte-- > 0;) value = value << 8 | data[byte];
    return value;
}

bool isName(const std::string& name) {
    if (name.empty() || name.size() > kMostNameBytes) return false;
    for (const char letter : name)
        if (letter < 0x20 || letter > 0x7E) return false;
    return true;
}

std::optional<std::vector<std::pair<std::string, std::uint64_t>>> readTable(std::string_view packed) {
    msgpack::Value table;
    std::string error;
    if (!msgpack::unpack(packed, table, error)) return std::nullopt;
    const auto* sections = table.find("sections");
    if (sections == nullptr || sections->kind != msgpack::Value::Kind::kMap) return std::nullopt;
    std::vector<std::pair<std::string, std::uint64_t>> lengths;
    for (std::size_t section = 0; section < sections->values.size(); ++section) {
        const auto& name = sections->keys[section];
        const auto& length = sections->values[section];
        if (!isName(name) || length.kind != msgpack::Value::Kind::kInt || length.integer < 0) return std::nullopt;
        for (const auto& [seen, unused] : lengths)
            if (seen == name) return std::nullopt;
        lengths.emplace_back(name, static_cast<std::uint64_t>(length.integer));
    }
    if (lengths.size() > kMostSections) return std::nullopt;
    return lengths;
}

}  // namespace

std::string packChunk(const Sections& sections) {
    if (sections.size() > kMostSections) return {};
    auto listed = msgpack::Value::map();
    std::size_t size = 0;
    for (const auto& [name, data] : sections) {
        if (!isName(name) || data.size() > kMostChunkBytes) return {};
        listed.with(name, static_cast<std::int64_t>(data.size()));
        size += data.size();
    }
    const auto table = msgpack::pack(msgpack::Value::map().with("sections", listed));
    if (kHeadBytes + table.size() + size + kCrcBytes > kMostChunkBytes) return {};
    std::string out(kMagic);
    putLittle(out, kMajor);
    putLittle(out, kMinor);
    putLittle(out, static_cast<std::uint32_t>(table.size()));
    out += table;
    for (const auto& [name, data] : sections) out += data;
    putLittle(out, crc32(reinterpret_cast<const unsigned char*>(out.data()), out.size()));
    return out;
}

std::optional<Sections> unpackChunk(const void* raw, std::size_t bytes, std::string& reason, std::size_t most_bytes) {
    const auto* data = static_cast<const unsigned char*>(raw);
    const auto refuse = [&reason](const char* why) {
        reason = why;
        return std::nullopt;
    };
    if (raw == nullptr || bytes == 0) return refuse("the saved state is empty");
    if (bytes > most_bytes) return refuse("the saved state is too large");
    if (bytes < kHeadBytes + kCrcBytes || std::memcmp(data, kMagic.data(), kMagic.size()) != 0)
        return refuse("these bytes are no saved state of LiveBand");
    if (littleAt(data + 8, 2) != kMajor) return refuse("the saved state is of another version of LiveBand");
    const auto end = bytes - kCrcBytes;
    if (crc32(data, end) != littleAt(data + end, 4)) return refuse("the saved state is truncated or damaged");
    const std::size_t table_bytes = littleAt(data + 12, 4);
    if (table_bytes > kMostTableBytes || kHeadBytes + table_bytes > end)
        return refuse("the saved state's table is too long");
    const auto lengths = readTable({reinterpret_cast<const char*>(data) + kHeadBytes, table_bytes});
    if (!lengths) return refuse("the saved state's table cannot be read");
    Sections sections;
    auto start = kHeadBytes + table_bytes;
    for (const auto& [name, length] : *lengths) {
        if (length > end - start) return refuse("the saved state's table lists more than is there");
        sections.emplace_back(
            name, std::string(reinterpret_cast<const char*>(data + start), static_cast<std::size_t>(length)));
        start += static_cast<std::size_t>(length);
    }
    if (start != end) return refuse("the saved state's table lists less than is there");
    return sections;
}

}  // namespace liveband::plugin
