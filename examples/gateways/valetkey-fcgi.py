"""Asks Valetkey before Apache lets a request pass: an authorizer of FastCGI on 127.0.0.1:9009.

VALETKEY_KEY is its key at Valetkey.
"""

import os
import socketserver
import struct
from http.client import HTTPConnection, HTTPException

VALETKEY = ("127.0.0.1", 8080)
DOOR = "/gateway/billing"
PREFIX = "/sf"
KEY = os.environ["VALETKEY_KEY"]
TOKEN_WAIT_SECONDS = 12

HEADER = struct.Struct("!BBHHBx")
END_REQUEST, PARAMS, STDOUT = 3, 4, 6
MOST = 65_535
HANDED_ON = ("content-type", "retry-after", "x-valetkey-code", "x-valetkey-status")


def ask(variables):
    """The answer for Apache: its head, and the body of a refusal."""
    uri = variables.get("REQUEST_URI", "")
    # Another spelling of the prefix, which Apache understands.
    if not uri.startswith(PREFIX + "/"):
        return "Status: 400\r\n\r\n"
    connection = HTTPConnection(*VALETKEY, timeout=TOKEN_WAIT_SECONDS)
    try:
        connection.request("GET", DOOR, headers={
            "Authorization": f"Bearer {KEY}",
            "X-Original-Method": variables.get("REQUEST_METHOD", ""),
            "X-Original-URI": uri.removeprefix(PREFIX),
        })
        answer = connection.getresponse()
        body = answer.read().decode()
    except (OSError, HTTPException):
        return "Status: 503\r\n\r\n"
    finally:
        connection.close()
    token = answer.getheader("authorization")
    host = answer.getheader("x-salesforce-instance-host")
    if answer.status == 200 and token and host:
        return (
            "Status: 200\r\n"
            f"Variable-SALESFORCE_AUTHORIZATION: {token}\r\n"
            f"Variable-SALESFORCE_HOST: {host}\r\n\r\n"
        )
    status = answer.status if answer.status >= 400 else 503
    fields = [(name, answer.getheader(name)) for name in HANDED_ON]
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields if value)
    return f"Status: {status}\r\n{lines}\r\n{body}"


def read_pairs(data):
    """Names and values, each after both lengths, in one byte or in four."""
    at = 0

    def length():
        nonlocal at
        first = data[at]
        size = 1 if first < 128 else 4
        value = first if size == 1 else struct.unpack_from("!I", data, at)[0] & 0x7FFF_FFFF
        at += size
        return value

    while at < len(data):
        name_length, value_length = length(), length()
        name = data[at:at + name_length].decode("latin-1")
        value = data[at + name_length:at + name_length + value_length].decode("latin-1")
        at += name_length + value_length
        yield name, value


class Authorizer(socketserver.StreamRequestHandler):
    """One request, as Apache sends it: its variables, then nothing more."""

    def handle(self):
        data = b""
        while True:
            head = self.rfile.read(HEADER.size)
            if len(head) < HEADER.size:
                return
            _, kind, request, size, padding = HEADER.unpack(head)
            content = self.rfile.read(size)
            self.rfile.read(padding)
            if kind == PARAMS and size == 0:
                break
            if kind == PARAMS:
                data += content
        answer = ask(dict(read_pairs(data))).encode("latin-1", "replace")
        for start in range(0, len(answer), MOST):
            self.send(STDOUT, request, answer[start:start + MOST])
        self.send(STDOUT, request, b"")
        self.send(END_REQUEST, request, bytes(8))

    def send(self, kind, request, content):
        self.wfile.write(HEADER.pack(1, kind, request, len(content), 0) + content)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    with Server(("127.0.0.1", 9009), Authorizer) as server:
        server.serve_forever()
