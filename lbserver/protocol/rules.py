# SPDX-License-Identifier: GPL-3.0-or-later
"""What a front end must know beside the tables: rules in words, as Markdown, with the numbers of the declarations."""

from lbserver.protocol import MAJOR, MINOR, discovery, limits, osc
from lbserver.protocol import segment as layout
from lbserver.protocol.messages import MAX_MESSAGE_BYTES

FINDING = f"""\
1. The run directory is the first of these that applies: {"; ".join(discovery.RUN_DIRECTORY)}.
2. It belongs to its user, has mode 0700 and is no symbolic link. Do not use one that is otherwise.
3. Read `{discovery.REGISTRY}` there, then connect to its `socket`. If nobody answers, the server is dead.
   Whenever you connect anew, read it anew: the next server, or the same one whose folder was removed, may have others.
4. `liveband serve --json` prints the registry as its first line when it is ready; `LIVEBAND_RUN` and the ports can
   be given.
"""

LOCAL = f"""\
1. Connect to the Unix stream socket. Each message, in both directions, is a uint32 (little-endian, at most
   {MAX_MESSAGE_BYTES}), then so many bytes of MessagePack: one map with text keys, texts as str, samples as bin, no
   extension types.
2. Send `hello` first, with major {MAJOR} and minor {MINOR}, within {limits.HELLO_S:g} s. The answer is `welcome`.
3. Give each request an `id`. The server answers requests one after the other, in their order. What comes without an
   `id` comes unasked.
4. Send `open`. With `opened`, and with `configured`, comes one descriptor, as SCM_RIGHTS of the message's first
   byte: receive with recvmsg and room for one descriptor in every call. Close it when the segment is mapped.
5. The descriptor is a memfd sealed with F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_SEAL. Before you map it, see that the
   seals are there (F_GET_SEALS), that `magic`, `endian` and `major` are right and that the file has `total_bytes`.
   Map all of it, shared, for reading and writing. Copy the fields of the header before offset 128 once and do not
   read them again.
6. `configure` gives a new segment in place of the old one, which is dead from then on: map the new one, begin its
   epoch 1.
7. Hang up, and your sessions end. Their memory is kept: `open` with `resume` goes on from it.
8. A message that a table refuses is answered with `error` and the connection goes on. Bytes that are no frame or no
   message, a first message other than `hello`, or another major version are answered with `error`, and the server
   hangs up.
"""

FLOW = f"""\
1. Words that change are 8 bytes, 8-aligned, each written by one side only. Store them whole, with release order;
   load them whole, with acquire order (on x86-64 a plain aligned 8-byte access is enough). Write the samples first,
   then the cursor behind them.
2. A cursor is one word, epoch << {layout.POSITION_BITS} | position, so that an epoch and its position are never
   seen apart. The position counts samples of the epoch. Epochs count from 1 and wrap past {layout.EPOCH_MASK} to 1;
   0 means none yet. In each new segment your first epoch is 1.
3. The front end begins an epoch, whenever it likes: store `stem_read` = cursor(epoch, 0), then `mix_cursor` =
   cursor(epoch, 0). A position starts at 0 there, and nothing of the epoch before is heard.
4. Write a block of n samples at position p: sample i of channel c lies at (p + i) modulo `capacity` of ring c. Then
   store `mix_cursor` = cursor(epoch, p + n).
5. Never write past `mix_read` + `capacity`: load `mix_read`; taken is its position if it is of your epoch, else 0.
   If p + n - taken is more than `capacity`, write nothing: this block is lost to the band. Once a block fits again,
   begin the next epoch with it, at position 0. A gap in an epoch would shift all that follows. Who breaks this rule
   is let go: `error` with bad_message, then `closed`.
6. Read the stem for each block, behind its write: with the mix of positions p to p + n the stem of p - L to p - L +
   n is heard, L = `latency_samples` of `opened`. Below position 0 the stem is silence.
7. `stem_cursor` says how far the stem reaches in its epoch. What lies at or beyond it, or is asked for while
   `stem_cursor` is of another epoch, is missing: play a fade to silence (10 ms or less) in its place, never wait
   for it, never shift what comes later.
8. After each read store `stem_read` = cursor(epoch, max(0, p - L + n)), whether the stem was there or not: by it
   the band knows which frames are late. A frame that lands behind `stem_read` is counted in `late_frames`; what can
   no longer be on time is not played (`skipped_frames`), and its place in the ring is silence, faded on both sides.
9. The stem ring holds the last `capacity` samples before `stem_cursor`.
10. The front end applies the gain: multiply the stem by `gain` (linear; the server sets it from the control),
    approaching a new value over 20 ms. `mix` is for front ends that give dry and wet together.
11. Offline (a bounce): set the bit offline in `host_flags` before the first block (`offline` in `open` is ZeroMQ's). Then the band drops nothing, and
    you wait: for room before you write, for `stem_cursor` before you read.
12. `host_heartbeat`, `missing_samples`, `gaps` and `lag_samples` are yours to count; status shows them.
13. `state` is 6, recovering, while a worker that died is replaced: go on as before, the segment and the epoch stay.
    Your ring may fill meanwhile; then the rule above begins the next epoch. State 8, closed, ends it.
14. What you can rely on: output frame m is decided by mix before (m - A)H alone. Try your front end on `liveband
    serve --model test:copy`, whose frames are 1920 samples at 48 kHz: the stem at q is the mix at q - 1920 -
    anticipation_samples, to the bit.
"""

EVENTS = """\
1. To tell the band of the transport or a chord at an exact position, write the event at slot `event_count` modulo
   `event_capacity`, then store `event_count` + 1. An event holds from its position on; one of the next epoch waits
   for it.
2. `know` and `set` on the socket do the same for now.
"""

ZEROMQ = f"""\
1. Connect a DEALER (the server is a ROUTER) to tcp://127.0.0.1:{osc.ZMQ_PORT}, or the port that `liveband serve
   --zmq-port` says; it is off unless that is given. One message is one frame, the same MessagePack maps as on the
   local socket, without a length and without an empty frame before it. Use libzmq 4 or newer: older greetings are
   refused.
2. Send `hello` first. With a `token`, random text that you keep, whoever comes back with it over a new connection
   gets its sessions back. Without one a session belongs to the connection.
3. Say something at least every {limits.ZMQ_SILENT_S / 2:g} s, a `ping` if nothing else: after
   {limits.ZMQ_SILENT_S:g} s without a message you are forgotten, and {limits.LEASE_S:g} s later your sessions end.
4. `opened` and `configured` carry no descriptor here: audio goes as `audio` messages. `epoch` is a number of your
   choice; another one than before begins anew, and an epoch begins at position 0. Positions follow each other
   without a gap: after a jump begin another epoch. What was sent twice is taken once.
5. With `reply` a block is answered with `stem`, the same `id`, as many samples as were new, from position - L on:
   what is to be heard with this block, missing parts faded away. That stem is there at once, or it is missing; with
   `offline` the answer waits for it.
6. Without `reply` the stem comes as soon as it is there, as `stem` messages by position; play the one of p - L with
   the mix of p. `needed` is then what decides lateness.
7. There is no ring to overrun: when the band does not take what you send, blocks are dropped until it does, and
   your positions go on. With `reply` the stem is silence meanwhile, without it none comes.
8. `stem.channels` is that of the mix, at most 2. Requests of one client are answered in their order; audio
   overtakes them.
9. The server never waits for you: what does not fit your high-water mark is dropped.
10. Over a network the server has a CURVE key pair (`liveband keys`) and a folder of its clients' public keys: set
    curve_serverkey, curve_publickey and curve_secretkey before you connect. Without keys it listens on this machine
    alone, to the user's programs. ZMTP before 3.0 is refused; wait for the server's READY before the first message.
"""

OSC = f"""\
1. UDP port {osc.PORT} of localhost, 127.0.0.1 and ::1, unless `--osc-port` and `--osc-host` say otherwise. OSC 1.0
   messages and bundles; a time tag is kept (controls wait for it, audio is placed by its position).
2. On this machine a plain message to an open session is enough to control it, unless there is a token. It must come
   from a program of the user's that is still there when the server looks: the kernel is asked whose the port is.
   `--osc-anyone` hears all of this machine. What is wrong is answered with `/lb/error`, a code and a text.
3. To open a session, send audio or see status: `/lb/hello`, take the cookie from `/lb/welcome`, send `/lb/cookie`,
   all from one port. Who receives at another port of the same machine (Max, TouchOSC) says `/lb/hello/reply` with that
   port: the welcome with its cookie, and all that follows, goes there. `/lb/ping` tells whether you are in.
4. Every message of yours keeps the door open: streams flow for {limits.OSC_ATTENTIVE_S:g} s after the last one. A
   session also lives while somebody steers it, from any port.
5. `/lb/sessions` tells which sessions are open. `/lb/{osc.LAST}/...` is the one that was opened last, which is the only
   one if there is one: who plays with `liveband jam` or the plug-in needs no name. To watch it: `/lb/{osc.LAST}/subscribe`,
   or `/lb/{osc.LAST}/watch 5 tempo heard_chord` for these figures alone, plain, five times a second.
   In address patterns `*`, `?`, `[abc]`, `[a-c]`, `[!abc]` and `{{one,other}}` match sessions, controls and what
   can be told; streams and the handshake have no patterns.
6. In one bundle the tempo is taken before the beat and the chart, wherever it stands. What is told behind an
   `/lb/open` waits for it. `set/mode` and `set/anticipation` (which takes mode manual) open a session of OSC's anew: `opened`
   tells its new stream, and positions begin at 0.
7. Send the mix as `/lb/<session>/audio` in real time: `stream` as `opened` gave it, `sequence` from 0 by one for
   each packet, wrapping at 2^32 (as int32), `position` of the first sample from 0, `format` 0 or 1, samples
   [channel][sample]. Channels are those of `/lb/open`.
8. No packet, signature included, is longer than {osc.MAX_PACKET_BYTES} bytes: cut blocks as you like.
9. The stem comes as `/lb/<session>/stem` with a sequence of its own from 0, in the format you send. Here `position`
   is that of the mix it is to be heard with: L is already in it. `channels` is that of the mix, at most 2.
10. With 512 added to the format of what you send, the stem of a position comes as soon as the band has played it, up to
    `anticipation_samples` ahead of what you sent: for front ends that write it into a buffer ahead of the playhead.
11. A sequence that is missing may be asked for with `/lb/<session>/resend`, first and last included; the server
    asks you likewise. Send it again with 256 added to its format. Nobody must answer: what stays away is faded
    over.
12. A hole in what you send is silence to the band; one of more than half a second makes it begin anew.
13. OSCQuery has LISTEN: over a WebSocket at its port `{{"COMMAND": "LISTEN", "DATA": "/lb/<session>/set/gain"}}` has that value
    sent as an OSC message when it changes, controls and status alike; `IGNORE` ends it. After `liveband serve --announce` OSC is
    found as `_osc._udp`, OSCQuery as `_oscjson._tcp`.
"""

SIGNATURE = f"""\
1. With a token (`liveband serve --osc-token-file`, a text of at least {osc.SHORTEST_TOKEN} bytes; white space
   around it is not part of it) messages must be signed, each one, in bundles too, from this machine as from others.
   Unsigned ones get no answer. The server signs nothing. HTTP then asks for `Authorization: Bearer` and the token.
2. The signature is one more argument behind the last: a blob of {osc.SIGNATURE_BYTES} bytes, the type tags longer
   by one `b`. Its first 8 bytes are a counter, big-endian; the other 32 are HMAC-SHA256 with the token as the key
   over these bytes, one after the other: one byte, the length of the cookie; the cookie; the counter's 8 bytes; the
   packet of the message without the blob, its type tags without the last `b`.
3. The cookie is the text that `/lb/welcome` gave. `/lb/hello` and `/lb/cookie` are signed with an empty one: a zero
   byte and nothing.
4. Counters rise. Each is good once, and those {osc.SIGNATURE_WINDOW} or more below the highest are refused. Begin
   at the microseconds since 1970, so that a front end that is started again is above its former life.
"""

UNASKED = """\
1. `closed` without an `id` comes whenever a session of yours ends: it made its worker die twice, its ring breaks the
   rules, it could not be taken up again, the server stops, or you asked for it (then before the answer to your
   `close`). `reason` is for people.
2. `error` without an `id` comes before `closed` when the end has a code: `crashed`, `quarantined`, `bad_message`
   for a segment that breaks its rules.
3. On the local socket and ZeroMQ both may stand between a request and its answer: look at `id`. Over OSC they are
   `/lb/<session>/closed` and `/lb/error`, whose text begins with the address it is about.
4. The end of the connection is the end of the server, or its end of you.
"""

ACCESS = """\
1. The local socket lets in the user of the server, and root: the run directory keeps out everyone else, and the
   kernel is asked who calls. Whoever is in may see and steer every session.
2. ZeroMQ, without keys the user's programs alone: who has said hello sees and steers its own sessions. What is its
   own is known by its key, if there are keys, and its `token`. A session whose front end is gone may be opened again
   by the same one within the lease.
3. OSC from the user's programs on this machine steers every session that is open; where there is a token they sign.
   Other users and other machines are heard with a token alone, and steer what they opened.
4. A name that is in use is `busy` to others. Memories and kept moments are their owner's: the user's, a key's, or
   theirs who have the token. To others they are `unauthorised` (`resume`) and `not_found` (`recall`).
"""
