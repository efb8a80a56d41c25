# SPDX-License-Identifier: Apache-2.0
"""baresip as a telephone: a program that is not ours on either end of a call, with media, steered over its control port."""

import json
import math
import os
import socket
import struct
import threading
import wave

from .process import Failure, Process, free_port, wait_for

CONFIG = """sip_listen {host}:{port}
module_path /usr/lib/baresip/modules
net_interface {host}
call_local_timeout 60
audio_player aubridge,sink
audio_source aufile,{tone}
audio_alert aubridge,sink
module g711.so
module aufile.so
module aubridge.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {host}:{control}
"""


def tone(path, seconds=20, rate=8000):
    with wave.open(path, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(rate)
        w.writeframes(b"".join(struct.pack("<h", int(8000 * math.sin(2 * math.pi * 440 * i / rate))) for i in range(rate * seconds)))


class Baresip(Process):
    """`user`@`host`, on UDP and TCP at `port` and on TLS at the next one. auto: it answers calls. Settings are baresip's own,
    account (a whole line, instead of one that registers nowhere), too."""

    def __init__(self, name, folder, host, user, auto=False, settings="", account=None):
        self.folder = os.path.join(folder, f"baresip-{name}")
        os.makedirs(self.folder, exist_ok=True)
        self.host, self.user = host, user
        self.port = free_port(host)
        while True:                   # TLS takes the port after it
            self.control = free_port(host)
            if self.control != self.port + 1:
                break
        tone(os.path.join(self.folder, "tone.wav"))
        with open(os.path.join(self.folder, "config"), "w") as f:
            f.write(CONFIG.format(host=host, port=self.port, control=self.control, tone=os.path.join(self.folder, "tone.wav")) + settings)
        with open(os.path.join(self.folder, "accounts"), "w") as f:
            f.write(account or f"<sip:{user}@{host}>;regint=0{';answermode=auto' if auto else ''}\n")
        with open(os.path.join(self.folder, "contacts"), "w") as f:
            f.write("")
        super().__init__(f"baresip-{name}", ["baresip", "-f", self.folder], os.path.join(self.folder, "baresip.log"),
                         {"HOME": self.folder}, cwd=self.folder)
        self.events, self.news, self.heard = [], threading.Condition(), 0
        self.socket = wait_for(f"{self.name}'s control port", self._connected, 10)
        threading.Thread(target=self._listen, name=self.name, daemon=True).start()
        wait_for(f"{self.name} to be ready", lambda: "baresip is ready" in self.log(), 10)

    def _connected(self):
        self.must_run()
        try:
            return socket.create_connection((self.host, self.control), 5)
        except OSError:
            return None

    def _listen(self):
        """Netstrings of JSON: events, and answers to commands."""
        data = b""
        self.socket.settimeout(None)
        while True:
            try:
                piece = self.socket.recv(65535)
            except OSError:
                return
            if not piece:
                return
            data += piece
            while b":" in data:
                head, _, rest = data.partition(b":")
                size = int(head)
                if len(rest) < size + 1:
                    break
                with self.news:
                    self.events.append(json.loads(rest[:size]))
                    self.news.notify_all()
                data = rest[size + 1:]

    def command(self, word, params=""):
        text = json.dumps({"command": word, "params": params, "token": word}).encode()
        self.socket.sendall(b"%d:%s," % (len(text), text))

    def expect(self, kind, limit=10.0):
        """The first event of that type from now on, past what was taken; events before it are dropped."""
        def there():
            while self.events:
                e = self.events.pop(0)
                if e.get("type") == kind:
                    return e
            return None

        found = []
        with self.news:
            if not self.news.wait_for(lambda: found.append(there()) or found[-1], limit):
                raise Failure(f"{self.name} waited {limit:g} s in vain for {kind}; its log:\n{self.log_tail()}")
        return found[-1]

    def hears(self, limit=10.0):
        """Until media of the other side has come; once a call."""
        self.heard += 1
        wait_for(f"media at {self.name}", lambda: self.log().count("incoming rtp for 'audio' established") >= self.heard, limit)

    def stop(self, limit=10.0, **more):
        status = super().stop(limit, **more)
        self.socket.close()
        return status
