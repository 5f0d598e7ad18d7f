"""An agent in a terminal: takes conversations, shows them, answers. Standard library only.

    python examples/agent.py --reply "Good morning, how can I help?" --conversations 1

Without --reply it asks for each answer. This is all that a front-end needs of the REST API:
sign in, keep a lease, receive new work, accept what rings, read, reply, close.
"""

import argparse
import json
import threading
import urllib.error
import urllib.request
import uuid
from typing import Any

LEASE_RENEWED_EVERY_S = 5.0
LOOKED_EVERY_S = 0.3


class Refused(Exception):
    """The API said no; the text is its reason and its sentence."""


class Api:
    """The edge, as one signed-in user sees it."""

    def __init__(self, edge: str, tenant: str, email: str, password: str) -> None:
        self._edge = edge.rstrip("/")
        self._token = ""
        session = self.call(
            "POST",
            "/v1/session:signIn",
            {"tenantId": tenant, "email": email, "password": password},
        )
        self._token = session["tokens"]["accessToken"]
        self.user_id: str = session["userId"]

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the edge the user named
            self._edge + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        if self._token:
            request.add_header("authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - likewise
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(f"{error.code} {error.read().decode(errors='replace')}") from None


class Agent:
    """One agent at work."""

    def __init__(self, api: Api, reply: str | None) -> None:
        self._api = api
        self._reply = reply
        self._device = f"terminal-{uuid.uuid4().hex[:8]}"
        self._leaving = threading.Event()
        self._answered: dict[str, int] = {}

    def work(self, conversations: int) -> None:
        """Take this many conversations, one after the other; 0 for no end."""
        self._heartbeat()
        threading.Thread(target=self._keep_lease, daemon=True).start()
        self._api.call("PUT", "/v1/presence/receive-new", {"receiveNew": True})
        print(f"{self._api.user_id} is ready", flush=True)
        done = 0
        try:
            while conversations == 0 or done < conversations:
                done += self._look()
                self._leaving.wait(LOOKED_EVERY_S)
        finally:
            self._leaving.set()
            self._api.call("POST", f"/v1/presence/devices/{self._device}:disconnect", {})

    def _keep_lease(self) -> None:
        while not self._leaving.wait(LEASE_RENEWED_EVERY_S):
            self._heartbeat()

    def _heartbeat(self) -> None:
        self._api.call("POST", f"/v1/presence/devices/{self._device}:heartbeat", {})

    def _look(self) -> int:
        """Accept what rings and answer what is new; return how many were finished."""
        cards = self._api.call("GET", "/v1/cards?tab=TAB_ASSIGNED_TO_ME&order=ORDER_OLDEST_FIRST")
        finished = 0
        for card in cards.get("cards", []):
            conversation_id = card["conversationId"]
            if card["standing"]["state"] == "CARD_STATE_OFFERED":
                self._accept(conversation_id)
            elif card["standing"]["state"] == "CARD_STATE_ASSIGNED":
                finished += self._answer(conversation_id)
        return finished

    def _accept(self, conversation_id: str) -> None:
        try:
            self._api.call(
                "POST", f"/v1/tasks/{conversation_id}:accept", {"requestId": uuid.uuid4().hex}
            )
        except Refused as no:
            print(f"not mine any more: {no}", flush=True)

    def _answer(self, conversation_id: str) -> int:
        path = f"/v1/conversations/{conversation_id}"
        messages = self._api.call("GET", f"{path}/messages?pageSize=200").get("messages", [])
        inbound = [one for one in messages if one["direction"] == "DIRECTION_INBOUND"]
        new = inbound[self._answered.get(conversation_id, 0) :]
        if not new:
            return 0
        for message in new:
            print(f"customer: {message['text']}", flush=True)
        text = self._reply if self._reply is not None else input("you (empty ends it): ")
        self._answered[conversation_id] = len(inbound)
        if text:
            request = {"requestId": uuid.uuid4().hex, "text": text}
            self._api.call("POST", f"{path}:reply", request)
            print(f"you: {text}", flush=True)
        if not text or self._reply is not None:
            # What the customer writes meanwhile is not closed along: it begins the next one.
            seen = max(one["arrival"] for one in messages)
            request = {"requestId": uuid.uuid4().hex, "lastSeenArrival": seen}
            closed = self._api.call("POST", f"{path}:close", request)
            print("closed", flush=True)
            if crossed := closed.get("crossedMessages"):
                print(f"{crossed} more came meanwhile and begin the next one", flush=True)
            return 1
        return 0


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("--edge", default="http://127.0.0.1:8080")
    options.add_argument("--tenant", default="demo")
    options.add_argument("--email", default="ana@demo.example")
    options.add_argument("--password", default="centralita-demo")
    options.add_argument("--reply", help="answer every conversation with this and close it")
    options.add_argument("--conversations", type=int, default=0, help="stop after so many")
    given = options.parse_args()
    try:
        api = Api(given.edge, given.tenant, given.email, given.password)
        Agent(api, given.reply).work(given.conversations)
    except KeyboardInterrupt:
        print("bye")
    except Refused as no:
        raise SystemExit(str(no)) from None


if __name__ == "__main__":
    main()
