// SPDX-License-Identifier: GPL-3.0-or-later
// Messages as bytes: the part of MessagePack that ours use, with every limit set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace liveband::msgpack {

inline constexpr std::size_t kMaxText = std::size_t{1} << 14;
inline constexpr std::size_t kMaxArray = std::size_t{1} << 10;
inline constexpr std::size_t kMaxMap = std::size_t{1} << 12;
inline constexpr std::size_t kMaxValues = std::size_t{1} << 15;  // of one message, of any kind
inline constexpr int kMaxDepth = 8;

/// One value; of the members only that of its kind means something.
struct Value {
    enum class Kind { kNil, kBool, kInt, kFloat, kText, kBytes, kArray, kMap };

    Kind kind = Kind::kNil;
    bool truth = false;
    std::int64_t integer = 0;
    double real = 0.0;
    std::string text;               // of texts and bytes
    std::vector<std::string> keys;  // of a map, as many as values
    std::vector<Value> values;      // of arrays and maps

    Value() = default;
    Value(bool value) : kind(Kind::kBool), truth(value) {}
    Value(int value) : kind(Kind::kInt), integer(value) {}
    Value(std::int64_t value) : kind(Kind::kInt), integer(value) {}
    Value(double value) : kind(Kind::kFloat), real(value) {}
    Value(std::string value) : kind(Kind::kText), text(std::move(value)) {}
    Value(const char* value) : kind(Kind::kText), text(value) {}

    static Value map() {
        Value value;
        value.kind = Kind::kMap;
        return value;
    }
    /// Add a field to a map.
    Value& with(std::string key, Value value);
    /// The field of a map, null if there is none of this name.
    const Value* find(std::string_view key) const noexcept;
    /// Fields by kind, or what is given where there is none of this kind. Integers pass as reals.
    std::string textOf(std::string_view key, std::string otherwise = {}) const;
    std::int64_t integerOf(std::string_view key, std::int64_t otherwise = 0) const noexcept;
    double realOf(std::string_view key, double otherwise = 0.0) const noexcept;
};

/// The value as bytes.
std::string pack(const Value& value);

/// The one value that the bytes hold. False, with a line in `error`, for bytes that are damaged, nested too deep, or
/// hold extensions, keys that are no text, numbers beyond int64, or more than a message of ours can.
bool unpack(std::string_view bytes, Value& value, std::string& error);

}  // namespace liveband::msgpack
