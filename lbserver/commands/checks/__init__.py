# SPDX-License-Identifier: GPL-3.0-or-later
"""What `liveband doctor` looks at: pure functions from facts to findings, each with what to do about it.

Nothing here touches the machine; `doctor` gathers the facts. A finding is `ok`, `warning` (it works, but) or `bad`
(something that liveband is for will not work until it is mended).
"""
