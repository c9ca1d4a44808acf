// SPDX-License-Identifier: GPL-3.0-or-later
// One UDP socket for one server: nobody else is heard, and on this machine's own address nobody else can send. A name is looked
// up once, so that what is sent and what is heard belong to the same machine.
"use strict";

const dgram = require("node:dgram");
const dns = require("node:dns");
const net = require("node:net");

const RECEIVE_BYTES = 4 << 20; // the system may give less
const MOST_WAITING = 64; // packets, while a name is looked up

function isPort(number) {
  return Number.isInteger(number) && number > 0 && number < 65536;
}

class Endpoint {
  /** heard(packet) from the server, foreign(words) for what comes from elsewhere, failed(error). */
  constructor({ heard, foreign, failed }) {
    Object.assign(this, { heard, foreign, failed, to: null, address: null, socket: null, waiting: [] });
  }

  /** `to`: {host, port, listensAt, answersFrom}; a port of 0 to listen at or to be answered from is any. */
  send(packet, to) {
    const isKnown = this.to !== null && this.to.host === to.host && this.to.listensAt === to.listensAt;
    if (!isKnown) this.close();
    this.to = to;
    if (!isKnown) this._find(to);
    if (this.socket) this.socket.send(packet, to.port, this.address);
    else if (this.to && this.waiting.length < MOST_WAITING) this.waiting.push(packet);
  }

  close() {
    if (this.socket) this.socket.close();
    Object.assign(this, { to: null, address: null, socket: null, waiting: [] });
  }

  _find({ host, listensAt }) {
    if (net.isIPv4(host)) {
      this._open(host === "0.0.0.0" ? "127.0.0.1" : host, listensAt);
      return;
    }
    const { waiting } = this; // another one once the server is another one
    dns.lookup(host, { family: 4 }, (error, address) => {
      if (this.waiting !== waiting) return;
      if (error) {
        this.close();
        this.failed(new RangeError(`no address of the host ${host} is known: ${error.code}`));
        return;
      }
      this._open(address, listensAt);
      for (const packet of waiting.splice(0)) this.send(packet, this.to);
    });
  }

  _open(address, listensAt) {
    const socket = dgram.createSocket({ type: "udp4", recvBufferSize: RECEIVE_BYTES });
    let isBound = false;
    socket.on("listening", () => (isBound = true));
    socket.on("message", (packet, from) => {
      if (this.socket !== socket) return;
      const { answersFrom } = this.to;
      if (from.address === address && (!answersFrom || from.port === answersFrom)) this.heard(packet);
      else this.foreign(`a packet from ${from.address}, who is not the server, is left out`);
    });
    socket.on("error", (error) => {
      if (!isBound && this.socket === socket) this.close(); // tried again with the next packet
      this.failed(error);
    });
    Object.assign(this, { socket, address });
    socket.bind(listensAt, address.startsWith("127.") ? "127.0.0.1" : "0.0.0.0");
  }
}

module.exports = { Endpoint, isPort };
