# SPDX-License-Identifier: Apache-2.0
"""A bad path: a UDP relay between a peer and the switch that loses, doubles and reorders datagrams, by a seed of its own."""

import heapq
import random
import select
import socket
import threading
import time

from .process import free_port


class Relay:
    """`near` is where the peer sends to, `far` the address under which the switch sees and reaches the peer. Each datagram is
    lost with probability `loss`, doubled with `double`, and held back by up to `late_s` with `late`."""

    def __init__(self, peer, switch, host, seed, loss=0.1, double=0.05, late=0.1, late_s=0.03):
        self.peer, self.switch = (peer.host, peer.port), switch
        self.random = random.Random(seed)
        self.loss, self.double, self.late, self.late_s = loss, double, late, late_s
        self.passed = self.lost = self.doubled = self.held = 0
        self.sockets = []
        for _ in range(2):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            s.bind((host, free_port(host)))
            self.sockets.append(s)
        self.inner, self.outer = self.sockets
        self.near, self.far = self.inner.getsockname(), self.outer.getsockname()
        self.later, self.count = [], 0
        self.open_now = True
        self.thread = threading.Thread(target=self._loop, name=f"relay of {peer.name}", daemon=True)
        self.thread.start()
        peer.through(self)

    def close(self):
        self.open_now = False
        self.thread.join(5)
        for s in self.sockets:
            s.close()

    def _loop(self):
        while self.open_now:
            wait = max(0.0, min(0.2, self.later[0][0] - time.monotonic())) if self.later else 0.2
            for s in select.select(self.sockets, [], [], wait)[0]:
                data = s.recv(65535)
                if s is self.inner:
                    self._pass(data, self.outer, self.switch)
                else:
                    self._pass(data, self.inner, self.peer)
            while self.later and self.later[0][0] <= time.monotonic():
                _, _, data, way, to = heapq.heappop(self.later)
                way.sendto(data, to)

    def _pass(self, data, way, to):
        if self.random.random() < self.loss:
            self.lost += 1
            return
        self.passed += 1
        copies = 1
        if self.random.random() < self.double:
            self.doubled += 1
            copies = 2
        for _ in range(copies):
            if self.random.random() < self.late:
                self.held += 1
                self.count += 1
                due = time.monotonic() + self.random.random() * self.late_s
                heapq.heappush(self.later, (due, self.count, data, way, to))
            else:
                way.sendto(data, to)
