// SPDX-License-Identifier: GPL-3.0-or-later
#include "liveband/rundir.h"

#include <cctype>
#include <cstring>
#include <limits>
#include <map>

#include "liveband/peer.h"
#include "liveband/run_folder.h"

namespace liveband {

namespace {

constexpr std::size_t kMostRegistryBytes = 65536;
constexpr int kMaxDepth = 16;

// Just enough JSON for one object of texts and numbers; values of other kinds are stepped over.
class Json {
  public:
    explicit Json(const std::string& text) : text_(text) {}

    bool object(std::map<std::string, std::string>& texts, std::map<std::string, double>& numbers) {
        if (!take('{')) return false;
        if (take('}')) return atEnd();
        do {
            std::string key;
            if (!string(key) || !take(':')) return false;
            skipSpace();
            if (at_ < text_.size() && text_[at_] == '"') {
                if (!string(texts[key])) return false;
            } else if (at_ < text_.size() && (std::isdigit(byte()) != 0 || text_[at_] == '-')) {
                if (!number(numbers[key])) return false;
            } else if (!skip(0)) {
                return false;
            }
        } while (take(','));
        return take('}') && atEnd();
    }

  private:
    unsigned char byte() const { return static_cast<unsigned char>(text_[at_]); }

    void skipSpace() {
        while (at_ < text_.size() && std::isspace(byte()) != 0) ++at_;
    }

    bool take(char wanted) {
        skipSpace();
        if (at_ >= text_.size() || text_[at_] != wanted) return false;
        ++at_;
        return true;
    }

    bool atEnd() {
        skipSpace();
        return at_ == text_.size();
    }

    bool string(std::string& out) {
        out.clear();
        if (!take('"')) return false;
        while (at_ < text_.size()) {
            const char letter = text_[at_++];
            if (letter == '"') return true;
            if (letter != '\\') {
                out.push_back(letter);
                continue;
            }
            if (at_ >= text_.size()) return false;
            const char escaped = text_[at_++];
            switch (escaped) {
                case 'n':
                    out.push_back('\n');
                    break;
                case 't':
                    out.push_back('\t');
                    break;
                case 'u':
                    if (!unicode(out)) return false;
                    break;
                case '"':
                case '\\':
                case '/':
                    out.push_back(escaped);
                    break;
                default:
                    return false;
            }
        }
        return false;
    }

    bool unit(unsigned& code) {
        if (text_.size() - at_ < 4) return false;
        code = 0;
        for (int i = 0; i < 4; ++i) {
            if (std::isxdigit(byte()) == 0) return false;
            const char digit = text_[at_++];
            code = code * 16 + static_cast<unsigned>(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
        }
        return true;
    }

    bool unicode(std::string& out) {
        unsigned code = 0;
        if (!unit(code)) return false;
        if (code >= 0xD800 && code < 0xDC00) {
            unsigned low = 0;
            if (text_.compare(at_, 2, "\\u") != 0) return false;
            at_ += 2;
            if (!unit(low) || low < 0xDC00 || low > 0xDFFF) return false;
            // A lone half of 0xDC80..0xDCFF is a byte that was no UTF-8; it stays what it is below.
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else if (code >= 0xDC80 && code <= 0xDCFF) {
            out.push_back(static_cast<char>(code & 0xFFu));
            return true;
        }
        const auto add = [&out](unsigned value) { out.push_back(static_cast<char>(value)); };
        if (code < 0x80) {
            add(code);
        } else if (code < 0x800) {
            add(0xC0 | code >> 6);
            add(0x80 | (code & 0x3F));
        } else if (code < 0x10000) {
            add(0xE0 | code >> 12);
            add(0x80 | (code >> 6 & 0x3F));
            add(0x80 | (code & 0x3F));
        } else {
            add(0xF0 | code >> 18);
            add(0x80 | (code >> 12 & 0x3F));
            add(0x80 | (code >> 6 & 0x3F));
            add(0x80 | (code & 0x3F));
        }
        return true;
    }

    bool number(double& out) {
        const std::size_t start = at_;
        while (at_ < text_.size() && (std::isalnum(byte()) != 0 || std::strchr("+-.", text_[at_]) != nullptr)) ++at_;
        const std::string digits = text_.substr(start, at_ - start);
        // By hand, not by strtod: a host may have set a locale with a decimal comma. Whole numbers are all we need.
        out = 0.0;
        bool negative = false;
        std::size_t i = 0;
        if (i < digits.size() && digits[i] == '-') {
            negative = true;
            ++i;
        }
        for (; i < digits.size() && digits[i] >= '0' && digits[i] <= '9'; ++i) out = out * 10 + (digits[i] - '0');
        if (negative) out = -out;
        return !digits.empty();
    }

    bool skip(int depth) {
        if (depth > kMaxDepth) return false;
        skipSpace();
        if (at_ >= text_.size()) return false;
        std::string unused_text;
        double unused_number = 0.0;
        if (text_[at_] == '"') return string(unused_text);
        if (text_[at_] == '{' || text_[at_] == '[') {
            const bool is_map = text_[at_++] == '{';
            const char end = is_map ? '}' : ']';
            if (take(end)) return true;
            do {
                if (is_map && (!string(unused_text) || !take(':'))) return false;
                if (!skip(depth + 1)) return false;
            } while (take(','));
            return take(end);
        }
        for (const char* word : {"null", "true", "false"}) {
            if (text_.compare(at_, std::strlen(word), word) == 0) {
                at_ += std::strlen(word);
                return true;
            }
        }
        return number(unused_number);
    }

    const std::string& text_;
    std::size_t at_ = 0;
};

}  // namespace

bool parseRegistry(const std::string& text, ServerInfo& info) {
    std::map<std::string, std::string> texts;
    std::map<std::string, double> numbers;
    if (!Json(text).object(texts, numbers)) return false;
    const double pid = numbers.count("pid") != 0 ? numbers["pid"] : 0.0;
    if (!(pid >= 1.0 && pid <= std::numeric_limits<std::int32_t>::max())) return false;
    if (numbers.count("major") == 0 || numbers.count("minor") == 0 || texts["socket"].empty()) return false;
    const auto small = [](double value) { return value >= 0.0 && value <= 65535.0 ? static_cast<int>(value) : -1; };
    info = {static_cast<std::int64_t>(pid), small(numbers["major"]), small(numbers["minor"]), texts["socket"]};
    return info.major >= 0 && info.minor >= 0 && info.socket.find('\0') == std::string::npos;
}

std::string runPath(const std::string& wish) {
    return wish.empty() ? run_folder::path() : wish;
}

std::uint64_t registryStamp(const std::string& directory) noexcept {
    try {
        return run_folder::stamp(directory + "/server.json");
    } catch (...) {  // no memory
        return 0;
    }
}

bool findServer(const std::string& directory, ServerInfo& info, std::string& error) {
    error.clear();
    if (run_folder::standing(directory, error) != run_folder::Standing::kOurs) return false;
    std::string text;
    if (!run_folder::read(directory + "/server.json", kMostRegistryBytes, text) || !parseRegistry(text, info))
        return false;
    return run_folder::isHeld(directory + "/lock") && isAlive(info.pid);
}

}  // namespace liveband
