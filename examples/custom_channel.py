"""A whole connector for the custom channel, on the standard library alone.

    python examples/custom_channel.py --text "Where is my order?" --until-reply

It hands a customer's message in, signed; takes the agents' replies at --listen, where the account's
callback_url points; checks their signature, prints them and reports them as delivered.
docs/connectors.md explains the contract.
"""

import argparse
import hashlib
import hmac
import json
import queue
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOLERANCE_S = 300
TRIES = 8


def sign(secret: str, body: bytes, moment: int) -> str:
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={mac}"


def is_genuine(header: str, secrets: list[str], body: bytes) -> bool:
    """One signature that one of our secrets made is enough: while secrets change there are two."""
    first, *signatures = header.split(",")
    moment = first.removeprefix("t=")
    if not (moment.isascii() and moment.isdigit()) or abs(time.time() - int(moment)) > TOLERANCE_S:
        return False
    ours = [sign(secret, body, int(moment)).partition(",")[2] for secret in secrets]
    return any(hmac.compare_digest(a.encode(), b.encode()) for a in ours for b in signatures)


def post(options: argparse.Namespace, what: str, content: dict[str, str]) -> Any:
    """Hand something in. No answer and 503 are no refusals: the same again is safe."""
    url = f"{options.edge}/channels/{options.tenant}/{options.account}/{what}"
    body = json.dumps(content).encode()
    for left in reversed(range(TRIES)):
        headers = {
            "Content-Type": "application/json",
            "Centralita-Signature": sign(options.secrets[0], body, int(time.time())),
        }
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - the edge the user named
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - likewise
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            if not left or refusal.code not in {429, 503}:
                raise SystemExit(f"{refusal.code}: {refusal.read().decode()}") from None
        except (urllib.error.URLError, TimeoutError) as silence:
            if not left:
                raise SystemExit(f"The edge does not answer: {silence}") from None
        time.sleep(1)
    raise AssertionError


def receiver(
    secrets: list[str], replies: "queue.Queue[dict[str, str]]"
) -> type[BaseHTTPRequestHandler]:
    seen: set[str] = set()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            genuine = is_genuine(self.headers.get("Centralita-Signature", ""), secrets, body)
            self.send_response(204 if genuine else 401)
            self.end_headers()
            # The same reply may come twice; its id says so.
            if genuine and (reply := json.loads(body))["messageId"] not in seen:
                seen.add(reply["messageId"])
                replies.put(reply)

        def log_message(self, *_: object) -> None:
            """Say nothing for each request."""

    return Receiver


def main() -> None:
    parser = argparse.ArgumentParser(description="A customer on a channel of your own.")
    parser.add_argument("--edge", default="http://127.0.0.1:8080")
    parser.add_argument("--tenant", default="demo")
    parser.add_argument("--account", default="shop")
    parser.add_argument(
        "--secret",
        dest="secrets",
        action="append",
        help="the account's; while it is changed twice, the newest first",
    )
    parser.add_argument("--sender", default="+15550100001", help="who writes")
    parser.add_argument("--text", default="Hello, where is my order?")
    parser.add_argument("--listen", default="127.0.0.1:9009", help="where call-backs come to")
    parser.add_argument("--until-reply", action="store_true", help="end after the first reply")
    options = parser.parse_args()
    options.secrets = options.secrets or ["demo-shop-secret-0123456789"]

    replies: queue.Queue[dict[str, str]] = queue.Queue()
    host, _, port = options.listen.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), receiver(options.secrets, replies))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    began = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    message = {"providerMessageId": str(uuid.uuid4()), "senderAddress": options.sender}
    post(options, "messages", {**message, "text": options.text})
    print(f"customer: {options.text}", flush=True)
    try:
        while True:
            reply = replies.get()
            print(f"agent:    {reply['text']}", flush=True)
            post(options, "statuses", {"messageId": reply["messageId"], "status": "DELIVERED"})
            if options.until_reply and reply["sentAt"] >= began:  # not one that waited for us
                break
    except KeyboardInterrupt:
        pass
    server.shutdown()


if __name__ == "__main__":
    main()
