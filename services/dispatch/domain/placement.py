"""Which replica leads which shard: fair, hardly ever moved, and the same for everybody."""

from collections.abc import Collection, Mapping

Shard = int


def placed(shards: int, replicas: Collection[str], owners: Mapping[Shard, str]) -> dict[Shard, str]:
    """Return the replica that should lead each shard; empty when there are no replicas.

    Nobody leads more than one shard more than somebody else. Who leads a shard of `owners` keeps
    it unless that is too many; what is too much, or led by nobody of `replicas`, goes to those who
    have least. Where nothing has to move, nothing does: placed(placed(...)) changes nothing.
    """
    if not replicas:
        return {}
    led: dict[str, list[Shard]] = {name: [] for name in sorted(replicas)}
    for shard in range(shards):
        if owners.get(shard) in led:
            led[owners[shard]].append(shard)
    share, left_over = divmod(shards, len(led))
    # One more for those who have most already: that saves moves.
    most = sorted(led, key=lambda name: -len(led[name]))
    quota = {name: share + (place < left_over) for place, name in enumerate(most)}
    target = {shard: name for name, own in led.items() for shard in own[: quota[name]]}
    free = {name: quota[name] - min(len(own), quota[name]) for name, own in led.items()}
    for shard in range(shards):
        if shard not in target:
            target[shard] = max(free, key=lambda name: free[name])
            free[target[shard]] -= 1
    return target
