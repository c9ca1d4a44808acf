# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what on Windows, as text (SDDL): the descriptor that is this user's alone, and what another one allows."""

import ctypes
import re

from lbserver.host.windows.kernel import Handle, SecurityAttributes, call, check, close, failure

_OWNER_AND_RULES = 1 | 4  # OWNER_SECURITY_INFORMATION, DACL_SECURITY_INFORMATION
_KERNEL_OBJECT, _FILE = 6, 1  # SE_KERNEL_OBJECT, SE_FILE_OBJECT
_MACHINE = ("SY", "BA", "S-1-5-18", "S-1-5-32-544")
_SYSTEM = "S-1-5-18"
_SELF = -1  # GetCurrentProcess
_MAY_ASK, _QUERY, _USER = 0x1000, 8, 1  # PROCESS_QUERY_LIMITED_INFORMATION, TOKEN_QUERY, TokenUser


def alone_text(user: str, *, inherited: bool = False) -> str:
    """The descriptor of what only `user` may touch; of a folder, and of what is made in it, with `inherited`."""
    return f"O:{user}D:P(A;{'OICI' if inherited else ''};GA;;;{user})"


def is_alone(descriptor: str, user: str) -> bool:
    """Whether a descriptor is of something that only `user`, SYSTEM and the administrators may touch, and one of these owns."""
    ours = (user, *_MACHINE)
    owner, found, rules = descriptor.partition("D:")
    if not user or not found or not owner.startswith("O:") or owner[2:] not in ours or "(" not in rules:
        return False
    entries = re.findall(r"\(([^()]*)\)", rules)
    if len(entries) != rules.count("("):
        return False
    words = [entry.split(";") for entry in entries]
    return all(one[0] == "D" or (one[0] == "A" and one[-1] in ours) for one in words)


def user_of_this() -> str:
    """This user's identifier, S-1-... Raises OSError."""
    return _user(_SELF)


def is_trusted(process: int) -> bool:
    """Whether a process is this user's, or the machine's own. Raises OSError."""
    opened = check(call("kernel32", "OpenProcess", _MAY_ASK, 0, process))
    try:
        return _user(opened) in (user_of_this(), _SYSTEM)
    finally:
        close(opened)


def alone(*, inherited: bool = False) -> SecurityAttributes:
    """For functions that make something: what is made is this user's alone. Raises OSError."""
    descriptor = ctypes.c_void_p()
    check(
        call(
            "advapi32",
            "ConvertStringSecurityDescriptorToSecurityDescriptorW",
            alone_text(user_of_this(), inherited=inherited),
            1,
            ctypes.byref(descriptor),
            None,
        )
    )
    return SecurityAttributes(size=ctypes.sizeof(SecurityAttributes), descriptor=descriptor, inherit=0)


def descriptor_of(thing: Handle | str) -> str:
    """The descriptor of a kernel object, or of the file or folder of that path. Raises OSError."""
    descriptor = ctypes.c_void_p()
    name, kind = (
        ("GetNamedSecurityInfoW", _FILE) if isinstance(thing, str) else ("GetSecurityInfo", _KERNEL_OBJECT)
    )
    code = call(
        "advapi32", name, thing, kind, _OWNER_AND_RULES, None, None, None, None, ctypes.byref(descriptor)
    )
    if code:
        raise failure(code)
    text = ctypes.c_wchar_p()
    try:
        check(
            call(
                "advapi32",
                "ConvertSecurityDescriptorToStringSecurityDescriptorW",
                descriptor,
                1,
                _OWNER_AND_RULES,
                ctypes.byref(text),
                None,
            )
        )
        return text.value or ""
    finally:
        call("kernel32", "LocalFree", text)
        call("kernel32", "LocalFree", descriptor)


def _user(process: Handle) -> str:
    token, text, size = ctypes.c_void_p(), ctypes.c_wchar_p(), ctypes.c_uint32()
    check(call("advapi32", "OpenProcessToken", process, _QUERY, ctypes.byref(token)))
    try:
        call("advapi32", "GetTokenInformation", token, _USER, None, 0, ctypes.byref(size))
        found = ctypes.create_string_buffer(size.value)
        check(call("advapi32", "GetTokenInformation", token, _USER, found, size.value, ctypes.byref(size)))
        identifier = ctypes.cast(found, ctypes.POINTER(ctypes.c_void_p))[0]
        check(call("advapi32", "ConvertSidToStringSidW", identifier, ctypes.byref(text)))
        return text.value or ""
    finally:
        call("kernel32", "LocalFree", text)
        call("kernel32", "CloseHandle", token)
