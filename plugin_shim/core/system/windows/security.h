// SPDX-License-Identifier: GPL-3.0-or-later
// Who may do what on Windows, as text: the security descriptor that is this user's alone, and what another one allows.
#pragma once

#include <windows.h>

#include <string>

namespace liveband::windows {

std::wstring wide(const std::string& text);
std::string narrow(const std::wstring& text);
/// "what: the system's words for the last error".
std::string lastError(const char* what);

/// A handle that closes itself; null is none.
class Owned {
  public:
    explicit Owned(HANDLE handle) noexcept : handle_(handle == INVALID_HANDLE_VALUE ? nullptr : handle) {}
    ~Owned() {
        if (handle_ != nullptr) ::CloseHandle(handle_);
    }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    HANDLE get() const noexcept { return handle_; }
    explicit operator bool() const noexcept { return handle_ != nullptr; }

  private:
    HANDLE handle_;
};

/// This user's identifier as text, S-1-...; empty if the system does not tell.
std::string userOfThis();
/// The user a process runs as.
std::string userOf(DWORD process);

/// The descriptor of what only `user` may touch; of a folder, and of what is made in it, with `inherited`.
std::string aloneText(const std::string& user, bool inherited);
/// Whether a descriptor, as text with its owner and its rules, is of something that only `user`, SYSTEM and the
/// machine's administrators may touch, and that one of these owns.
bool isAlone(const std::string& descriptor, const std::string& user);

/// The descriptor of a kernel object, as text; empty if the system does not tell.
std::string descriptorOf(HANDLE object);
/// The same of a file or folder.
std::string descriptorOf(const std::string& path);

/// For functions that make something: what is made is this user's alone.
class Alone {
  public:
    explicit Alone(bool inherited = false);
    ~Alone();
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;
    /// Null if the system refused: nothing is made then.
    SECURITY_ATTRIBUTES* get() noexcept { return attributes_.lpSecurityDescriptor == nullptr ? nullptr : &attributes_; }

  private:
    SECURITY_ATTRIBUTES attributes_{};
};

}  // namespace liveband::windows
