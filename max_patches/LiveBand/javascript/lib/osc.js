// SPDX-License-Identifier: GPL-3.0-or-later
// OSC 1.0 messages as bytes, both ways. Numbers of 64 bits are BigInt or exact Number.
"use strict";

function padded(bytes) {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

function text(value) {
  return padded(Buffer.concat([Buffer.from(String(value), "utf8"), Buffer.alloc(1)]));
}

const WRITERS = {
  i(value) {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value | 0);
    return bytes;
  },
  h(value) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(BigInt(value));
    return bytes;
  },
  f(value) {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatBE(value);
    return bytes;
  },
  s: text,
  b(value) {
    const size = Buffer.alloc(4);
    size.writeInt32BE(value.length);
    return padded(Buffer.concat([size, value]));
  },
};

/** The packet of one message; `tags` such as "if". */
function encode(address, tags = "", values = []) {
  return Buffer.concat([text(address), text("," + tags), ...[...tags].map((tag, i) => WRITERS[tag](values[i]))]);
}

/** What a patch gives as a value: a whole number stays one, words are text. */
function tagOf(value) {
  if (typeof value !== "number") return "s";
  return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? "i" : "f";
}

function reader(packet) {
  let at = 0;
  const take = (count) => {
    if (at + count > packet.length) throw new RangeError("a message is cut short");
    at += count;
    return at - count;
  };
  const string = () => {
    const end = packet.indexOf(0, at);
    if (end < 0) throw new RangeError("a text has no end");
    const value = packet.toString("utf8", at, end);
    at = Math.min(packet.length, end + 4 - (end % 4));
    return value;
  };
  return {
    string,
    value(tag) {
      switch (tag) {
        case "i": return packet.readInt32BE(take(4));
        case "f": return packet.readFloatBE(take(4));
        case "d": return packet.readDoubleBE(take(8));
        case "h": return Number(packet.readBigInt64BE(take(8)));
        case "s": case "S": return string();
        case "T": return true;
        case "F": return false;
        case "N": case "I": return null;
        case "b": {
          const size = packet.readInt32BE(take(4));
          if (size < 0) throw new RangeError("a blob of negative size");
          const start = take(size);
          at = Math.min(packet.length, at + ((4 - (size % 4)) % 4));
          return packet.subarray(start, start + size);
        }
        default: throw new RangeError(`an argument of the type ${tag}`);
      }
    },
  };
}

/** Messages of a packet, bundles opened: [{address, values}]. Throws RangeError for bytes that are none. */
function decode(packet, depth = 0) {
  if (packet.length >= 16 && packet.toString("latin1", 0, 8) === "#bundle\0") {
    if (depth > 8) throw new RangeError("bundles in bundles");
    const messages = [];
    for (let at = 16; at + 4 <= packet.length; ) {
      const size = packet.readInt32BE(at);
      if (size < 0 || at + 4 + size > packet.length) throw new RangeError("a bundle is cut short");
      messages.push(...decode(packet.subarray(at + 4, at + 4 + size), depth + 1));
      at += 4 + size;
    }
    return messages;
  }
  const from = reader(packet);
  const address = from.string();
  if (!address.startsWith("/")) throw new RangeError("no address");
  const tags = from.string();
  return [{ address, values: [...tags.slice(1)].filter((tag) => tag !== "[" && tag !== "]").map(from.value) }];
}

module.exports = { encode, decode, tagOf };
