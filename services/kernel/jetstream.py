"""JetStream's API, asked again where a question may have been lost."""

import asyncio
from typing import Any

from nats.errors import TimeoutError as NoAnswer
from nats.js import JetStreamContext

RESEND_S = 1.0
"""A question without an answer is asked again after so long, then after twice as long."""

_QUESTIONS = ("$JS.API.STREAM.INFO.", "$JS.API.STREAM.MSG.GET.")
"""What changes nothing, so may be asked twice."""


class PatientJetStream(JetStreamContext):
    """While a stream has no leader, what is asked of it gets lost: it is asked again."""

    async def _api_request(
        self,
        req_subject: str,
        req: bytes = b"",
        timeout: float = 5,  # noqa: ASYNC109 - as the library has it
    ) -> dict[str, Any]:
        clock = asyncio.get_running_loop().time
        give_up, patience = clock() + timeout, RESEND_S
        while req_subject.startswith(_QUESTIONS) and clock() + patience < give_up:
            try:
                return await super()._api_request(req_subject, req, patience)
            except NoAnswer:
                patience *= 2
        return await super()._api_request(req_subject, req, max(0.0, give_up - clock()))
