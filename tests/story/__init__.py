# SPDX-License-Identifier: Apache-2.0
"""What stories are told with: services, daemons, the API, and SIP peers whose every message is under control.

    from story import Story, wait_for

    class First(Story):
        def test_a_call_comes_out_at_the_vendor(self):
            ...

Only Python's standard library and, for looks into PostgreSQL, Debian's python3-psycopg2.
"""

from .process import Failure, free_port, wait_for
from .api import Api, ApiError
from .message import sdp_offer
from .sip import Peer
from .stack import Stack
from . import sipp
from .base import Story
from .talk import Talk
from .proxied import Proxied

__all__ = ["Api", "ApiError", "Failure", "Peer", "Proxied", "Stack", "Story", "Talk", "free_port", "sdp_offer", "sipp", "wait_for"]
