# SPDX-License-Identifier: GPL-3.0-or-later
"""Why the server refuses or ends something: a code for programs, a text for people."""

ERRORS = {
    "bad_message": "the message is damaged, too large, or a field is missing or out of range",
    "version": "the other side speaks another major version of the protocol",
    "unknown_message": "no such message",
    "unknown_session": "no such session, or not yours",
    "unknown_control": "no such control, or this model does not know it",
    "unknown_model": "no such model",
    "unsupported": "the rate, the channels or the mode is not supported",
    "busy": "no room: too many sessions, opened too fast, or no memory, files or disk left; later there may be",
    "unauthorised": "the peer is not who it must be",
    "crashed": "the worker died or cannot be started; it is tried again, and the session's reason says when",
    "quarantined": "this session made the worker die twice",
    "overloaded": "the machine is too slow for this; the stem is silent until it is not",
    "not_found": "no saved moment of this name",
    "internal": "a fault of the server; its log has more",
}
