// SPDX-License-Identifier: GPL-3.0-or-later
#include "system/windows/security.h"

#include <aclapi.h>
#include <sddl.h>

#include <vector>

namespace liveband::windows {

namespace {

constexpr SECURITY_INFORMATION kOwnerAndRules = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;

std::string userOfToken(HANDLE token) {
    DWORD size = 0;
    ::GetTokenInformation(token, TokenUser, nullptr, 0, &size);
    std::vector<unsigned char> bytes(size);
    wchar_t* text = nullptr;
    if (size == 0 || !::GetTokenInformation(token, TokenUser, bytes.data(), size, &size) ||
        !::ConvertSidToStringSidW(reinterpret_cast<TOKEN_USER*>(bytes.data())->User.Sid, &text))
        return {};
    const std::string user = narrow(text);
    ::LocalFree(text);
    return user;
}

std::string userOfProcess(HANDLE process) {
    HANDLE token = nullptr;
    if (!::OpenProcessToken(process, TOKEN_QUERY, &token)) return {};
    const Owned owned(token);
    return userOfToken(token);
}

std::string asText(PSECURITY_DESCRIPTOR descriptor) {
    wchar_t* text = nullptr;
    if (!::ConvertSecurityDescriptorToStringSecurityDescriptorW(descriptor, SDDL_REVISION_1, kOwnerAndRules, &text,
                                                                nullptr))
        return {};
    const std::string out = narrow(text);
    ::LocalFree(text);
    return out;
}

bool isTheMachine(const std::string& who) {
    return who == "SY" || who == "BA" || who == "S-1-5-18" || who == "S-1-5-32-544";
}

}  // namespace

std::wstring wide(const std::string& text) {
    const int count = static_cast<int>(text.size());
    std::wstring out(static_cast<std::size_t>(::MultiByteToWideChar(CP_UTF8, 0, text.data(), count, nullptr, 0)), L'\0');
    ::MultiByteToWideChar(CP_UTF8, 0, text.data(), count, out.data(), static_cast<int>(out.size()));
    return out;
}

std::string narrow(const std::wstring& text) {
    const int count = static_cast<int>(text.size());
    std::string out(
        static_cast<std::size_t>(::WideCharToMultiByte(CP_UTF8, 0, text.data(), count, nullptr, 0, nullptr, nullptr)),
        '\0');
    ::WideCharToMultiByte(CP_UTF8, 0, text.data(), count, out.data(), static_cast<int>(out.size()), nullptr, nullptr);
    return out;
}

std::string lastError(const char* what) {
    const DWORD code = ::GetLastError();
    wchar_t text[256] = L"";
    DWORD length = ::FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr, code, 0, text,
                                    256, nullptr);
    while (length > 0 && (text[length - 1] < L' ' || text[length - 1] == L'.')) --length;
    return std::string(what) + ": " +
           (length > 0 ? narrow(std::wstring(text, length)) : "error " + std::to_string(code));
}

std::string userOfThis() {
    return userOfProcess(::GetCurrentProcess());
}

std::string userOf(DWORD process) {
    const Owned opened(::OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, process));
    return opened ? userOfProcess(opened.get()) : std::string();
}

std::string aloneText(const std::string& user, bool inherited) {
    return "O:" + user + "D:P(A;" + (inherited ? "OICI" : "") + ";GA;;;" + user + ")";
}

bool isAlone(const std::string& descriptor, const std::string& user) {
    const auto ours = [&user](const std::string& who) { return who == user || isTheMachine(who); };
    const std::size_t rules = descriptor.find("D:");
    if (user.empty() || descriptor.rfind("O:", 0) != 0 || rules == std::string::npos) return false;
    if (!ours(descriptor.substr(2, rules - 2))) return false;
    std::size_t at = descriptor.find('(', rules);
    if (at == std::string::npos) return false;  // no rules at all: everybody may
    for (; at != std::string::npos; at = descriptor.find('(', at + 1)) {
        const std::size_t end = descriptor.find(')', at);
        const std::size_t last = descriptor.rfind(';', end);
        if (end == std::string::npos || last == std::string::npos || last < at) return false;
        if (descriptor.compare(at, 3, "(A;") == 0 && !ours(descriptor.substr(last + 1, end - last - 1))) return false;
        if (descriptor.compare(at, 3, "(A;") != 0 && descriptor.compare(at, 3, "(D;") != 0) return false;
    }
    return true;
}

std::string descriptorOf(HANDLE object) {
    PSECURITY_DESCRIPTOR descriptor = nullptr;
    if (::GetSecurityInfo(object, SE_KERNEL_OBJECT, kOwnerAndRules, nullptr, nullptr, nullptr, nullptr, &descriptor) !=
        ERROR_SUCCESS)
        return {};
    const std::string text = asText(descriptor);
    ::LocalFree(descriptor);
    return text;
}

std::string descriptorOf(const std::string& path) {
    PSECURITY_DESCRIPTOR descriptor = nullptr;
    std::wstring name = wide(path);
    if (::GetNamedSecurityInfoW(name.data(), SE_FILE_OBJECT, kOwnerAndRules, nullptr, nullptr, nullptr, nullptr,
                                &descriptor) != ERROR_SUCCESS)
        return {};
    const std::string text = asText(descriptor);
    ::LocalFree(descriptor);
    return text;
}

Alone::Alone(bool inherited) {
    attributes_.nLength = sizeof attributes_;
    const std::string user = userOfThis();
    if (user.empty() || !::ConvertStringSecurityDescriptorToSecurityDescriptorW(
                            wide(aloneText(user, inherited)).c_str(), SDDL_REVISION_1,
                            &attributes_.lpSecurityDescriptor, nullptr))
        attributes_.lpSecurityDescriptor = nullptr;
}

Alone::~Alone() {
    ::LocalFree(attributes_.lpSecurityDescriptor);
}

}  // namespace liveband::windows
