# SPDX-License-Identifier: Apache-2.0
"""An HTTP server that a story plays: on loopback, a thread a request."""

import http.server
import sys
import threading


class HttpServer(http.server.ThreadingHTTPServer):
    """handler: a BaseHTTPRequestHandler; port 0: any that is free, and then held. Who asks and hangs up before the answer is no failure
    of the story's, and leaves no traceback."""

    def __init__(self, handler, port=0):
        super().__init__(("127.0.0.1", port), handler)
        self.thread = threading.Thread(target=self.serve_forever, name="HTTP server", daemon=True)
        self.thread.start()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def close(self):
        self.shutdown()
        self.thread.join(5)
        self.server_close()
