// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/msgpack.h"

#include <cstring>
#include <limits>

#include "liveband/protocol.h"

namespace liveband::msgpack {

namespace {

using Kind = Value::Kind;

void putBig(std::string& out, std::uint64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        out.push_back(static_cast<char>((value >> shift) & 0xFFu));
}

void putLength(std::string& out, std::size_t length, std::uint8_t wide16) {
    if (length <= 0xFFFF) {
        out.push_back(static_cast<char>(wide16));
        putBig(out, length, 2);
    } else {
        out.push_back(static_cast<char>(wide16 + 1));
        putBig(out, length, 4);
    }
}

void putText(std::string& out, std::string_view text) {
    if (text.size() < 32) {
        out.push_back(static_cast<char>(0xA0u | text.size()));
    } else {
        putLength(out, text.size(), 0xDA);
    }
    out.append(text);
}

void put(std::string& out, const Value& value) {
    switch (value.kind) {
        case Kind::kNil:
            out.push_back(static_cast<char>(0xC0));
            break;
        case Kind::kBool:
            out.push_back(static_cast<char>(value.truth ? 0xC3 : 0xC2));
            break;
        case Kind::kInt:
            if (value.integer >= 0 && value.integer < 128) {
                out.push_back(static_cast<char>(value.integer));
            } else {
                out.push_back(static_cast<char>(0xD3));
                putBig(out, static_cast<std::uint64_t>(value.integer), 8);
            }
            break;
        case Kind::kFloat:
            out.push_back(static_cast<char>(0xCB));
            putBig(out, protocol::as_word(value.real), 8);
            break;
        case Kind::kText:
            putText(out, value.text);
            break;
        case Kind::kBytes:
            putLength(out, value.text.size(), 0xC5);
            out += value.text;
            break;
        case Kind::kArray:
            putLength(out, value.values.size(), 0xDC);
            for (const Value& item : value.values) put(out, item);
            break;
        case Kind::kMap:
            if (value.values.size() < 16) {
                out.push_back(static_cast<char>(0x80u | value.values.size()));
            } else {
                putLength(out, value.values.size(), 0xDE);
            }
            for (std::size_t i = 0; i < value.values.size(); ++i) {
                putText(out, value.keys[i]);
                put(out, value.values[i]);
            }
            break;
    }
}

class Reader {
  public:
    Reader(std::string_view bytes, std::string& error) : bytes_(bytes), error_(error) {}

    bool whole(Value& value) {
        if (!read(value, 0)) return false;
        return at_ == bytes_.size() || fail("there is more after the message's end");
    }

  private:
    bool fail(const char* why) {
        error_ = std::string("these bytes are no message: ") + why;
        return false;
    }

    bool big(int bytes, std::uint64_t& value) {
        if (bytes_.size() - at_ < static_cast<std::size_t>(bytes)) return fail("they end too early");
        value = 0;
        for (int i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(bytes_[at_++]);
        return true;
    }

    bool integer(int bytes, bool is_signed, Value& value) {
        std::uint64_t raw = 0;
        if (!big(bytes, raw)) return false;
        if (is_signed) {
            const int unused = 64 - 8 * bytes;
            value = Value(static_cast<std::int64_t>(raw << unused) >> unused);
            return true;
        }
        if (raw > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            return fail("a number is beyond 63 bits");
        value = Value(static_cast<std::int64_t>(raw));
        return true;
    }

    bool text(std::uint64_t length, std::size_t most, std::string& text) {
        if (length > most) return fail("a text is too long");
        if (bytes_.size() - at_ < length) return fail("they end too early");
        text.assign(bytes_.substr(at_, static_cast<std::size_t>(length)));
        at_ += static_cast<std::size_t>(length);
        return true;
    }

    bool items(std::uint64_t count, bool is_map, int depth, Value& value) {
        if (depth >= kMaxDepth) return fail("they are nested too deep");
        if (count > (is_map ? kMaxMap : kMaxArray)) return fail("a map or an array is too long");
        value = Value();
        value.kind = is_map ? Kind::kMap : Kind::kArray;
        for (std::uint64_t i = 0; i < count; ++i) {
            if (is_map) {
                Value key;
                if (!read(key, depth + 1)) return false;
                if (key.kind != Kind::kText) return fail("a key is no text");
                value.keys.push_back(std::move(key.text));
            }
            Value item;
            if (!read(item, depth + 1)) return false;
            value.values.push_back(std::move(item));
        }
        return true;
    }

    bool read(Value& value, int depth) {
        if (++values_ > kMaxValues) return fail("they hold too many values");
        std::uint64_t head = 0;
        std::uint64_t length = 0;
        if (!big(1, head)) return false;
        if (head < 0x80) {
            value = Value(static_cast<std::int64_t>(head));
            return true;
        }
        if (head >= 0xE0) {
            value = Value(static_cast<std::int64_t>(head) - 256);
            return true;
        }
        if (head < 0x90) return items(head & 0x0F, true, depth, value);
        if (head < 0xA0) return items(head & 0x0F, false, depth, value);
        value = Value();
        if (head < 0xC0) {
            value.kind = Kind::kText;
            return text(head & 0x1F, kMaxText, value.text);
        }
        switch (head) {
            case 0xC0:
                return true;
            case 0xC2:
            case 0xC3:
                value = Value(head == 0xC3);
                return true;
            case 0xC4:
            case 0xC5:
            case 0xC6:
                value.kind = Kind::kBytes;
                return big(1 << (head - 0xC4), length) && text(length, protocol::kMaxMessageBytes, value.text);
            case 0xCA: {
                if (!big(4, length)) return false;
                const auto bits = static_cast<std::uint32_t>(length);
                float number = 0.0f;
                std::memcpy(&number, &bits, sizeof number);
                value = Value(static_cast<double>(number));
                return true;
            }
            case 0xCB:
                if (!big(8, length)) return false;
                value = Value(protocol::as_double(length));
                return true;
            case 0xCC:
            case 0xCD:
            case 0xCE:
            case 0xCF:
                return integer(1 << (head - 0xCC), false, value);
            case 0xD0:
            case 0xD1:
            case 0xD2:
            case 0xD3:
                return integer(1 << (head - 0xD0), true, value);
            case 0xD9:
            case 0xDA:
            case 0xDB:
                value.kind = Kind::kText;
                return big(1 << (head - 0xD9), length) && text(length, kMaxText, value.text);
            case 0xDC:
            case 0xDD:
                return big(2 << (head - 0xDC), length) && items(length, false, depth, value);
            case 0xDE:
            case 0xDF:
                return big(2 << (head - 0xDE), length) && items(length, true, depth, value);
            default:
                return fail("they hold an extension type");
        }
    }

    std::string_view bytes_;
    std::string& error_;
    std::size_t at_ = 0;
    std::size_t values_ = 0;
};

}  // namespace

Value& Value::with(std::string key, Value value) {
    keys.push_back(std::move(key));
    values.push_back(std::move(value));
    return *this;
}

const Value* Value::find(std::string_view key) const noexcept {
    if (kind != Kind::kMap) return nullptr;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (keys[i] == key) return &values[i];
    }
    return nullptr;
}

std::string Value::textOf(std::string_view key, std::string otherwise) const {
    const Value* value = find(key);
    return value != nullptr && value->kind == Kind::kText ? value->text : std::move(otherwise);
}

std::int64_t Value::integerOf(std::string_view key, std::int64_t otherwise) const noexcept {
    const Value* value = find(key);
    return value != nullptr && value->kind == Kind::kInt ? value->integer : otherwise;
}

double Value::realOf(std::string_view key, double otherwise) const noexcept {
    const Value* value = find(key);
    if (value == nullptr) return otherwise;
    if (value->kind == Kind::kInt) return static_cast<double>(value->integer);
    return value->kind == Kind::kFloat ? value->real : otherwise;
}

std::string pack(const Value& value) {
    std::string out;
    put(out, value);
    return out;
}

bool unpack(std::string_view bytes, Value& value, std::string& error) {
    if (bytes.size() > protocol::kMaxMessageBytes) {
        error = "a message of " + std::to_string(bytes.size()) + " bytes is too long";
        return false;
    }
    return Reader(bytes, error).whole(value);
}

}  // namespace liveband::msgpack
