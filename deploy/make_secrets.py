"""Make the secrets of an installation: for compose (.env), or for Kubernetes (manifests).

python deploy/make_secrets.py compose >.env
python deploy/make_secrets.py kubernetes | kubectl --namespace centralita apply -f -

Every run makes new ones; nothing is written anywhere but to standard output.
"""

import base64
import json
import secrets
import sys
from collections.abc import Iterator

NATS_USERS = (
    "streams",
    "dead-letters",
    "directory",
    "ingestion",
    "contacts",
    "conversations",
    "presence",
    "dispatch",
    "workspace",
    "connector",
)
STORES = ("directory", "ingestion", "contacts", "conversations", "presence")
CALLERS = ("ingestion", "conversations")


def word() -> str:
    return "s" + secrets.token_hex(24)  # begins with a letter: see deploy/nats/accounts.conf


def variable(name: str, what: str) -> str:
    return f"{what}_{name.upper().replace('-', '_')}_PASSWORD"


def compose() -> Iterator[str]:
    """Yield the lines of .env."""
    values = {variable(user, "NATS"): word() for user in NATS_USERS}
    values |= {variable(name, "MONGO"): word() for name in STORES}
    values |= mongo_root()
    callers = {name: word() for name in CALLERS}
    values |= {f"{name.upper()}_SERVICE_SECRET": secret for name, secret in callers.items()}
    values |= directory_only(callers)
    values["GF_SECURITY_ADMIN_PASSWORD"] = word()
    yield from (f"{name}={value}" for name, value in values.items())


def kubernetes() -> Iterator[str]:
    """Yield one Secret for each process, as a List."""
    nats = {user: word() for user in NATS_USERS}
    stores = {name: word() for name in STORES}
    callers = {name: word() for name in CALLERS}
    of: dict[str, dict[str, str]] = {
        user: {"NATS_URL": f"nats://{user}:{password}@nats:4222"} for user, password in nats.items()
    }
    for name, password in stores.items():
        options = f"replicaSet=centralita&authSource={name}"
        of[name]["MONGO_URL"] = f"mongodb://{name}:{password}@mongo-0.mongo:27017/{name}?{options}"
    for name, secret in callers.items():
        of[name]["SERVICE_SECRET"] = secret
    of["directory"] |= directory_only(callers)
    of["nats"] = {variable(user, "NATS"): password for user, password in nats.items()}
    of["mongo"] = mongo_root() | {
        variable(name, "MONGO"): password for name, password in stores.items()
    }
    items = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
        for name, values in of.items()
    ]
    yield json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1)


def mongo_root() -> dict[str, str]:
    return {
        "MONGO_INITDB_ROOT_USERNAME": "root",
        "MONGO_INITDB_ROOT_PASSWORD": word(),
        "MONGO_KEY": base64.b64encode(secrets.token_bytes(96)).decode(),
    }


def directory_only(callers: dict[str, str]) -> dict[str, str]:
    return {
        "SERVICE_SECRETS": ",".join(f"{name}={secret}" for name, secret in callers.items()),
        "KEY_ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    }


def main() -> None:
    kinds = {"compose": compose, "kubernetes": kubernetes}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:  # noqa: PLR2004 - the program and one word
        sys.exit(__doc__)
    for line in kinds[sys.argv[1]]():
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
