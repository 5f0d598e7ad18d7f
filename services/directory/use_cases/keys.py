"""The ring of keys that sign tokens: made in time, published in time, thrown away in time."""

from services.directory.domain.keys import KeyPolicy, SigningKey
from services.kernel.clock import Clock

from .ports import Keys


class KeyRing:
    """The keys as last read. Replicas share them through the store, not through each other."""

    def __init__(self, keys: Keys, clock: Clock, policy: KeyPolicy) -> None:
        self._keys = keys
        self._clock = clock
        self._policy = policy
        self._known: tuple[SigningKey, ...] = ()

    async def turn(self) -> None:
        """Read the keys, make the next one if it is time, drop those that are spent.

        Of several replicas that make the next key at once one is stored, and all read it.
        """
        now = self._clock()
        known = await self._keys.all()
        signs_from = self._policy.next_signs_from(known, now)
        if signs_from is not None:
            number = known[-1].number + 1 if known else 1
            await self._keys.add(self._keys.fresh(number, signs_from))
            known = await self._keys.all()
        spent = self._policy.spent(known, now)
        for key in spent:
            await self._keys.remove(key)
        self._known = tuple(key for key in known if key not in spent)

    @property
    def published(self) -> tuple[SigningKey, ...]:
        return self._known

    def signer(self) -> SigningKey:
        key = self._policy.signer(self._known, self._clock())
        if key is None:
            raise RuntimeError("The key ring was not turned before it was used.")
        return key
