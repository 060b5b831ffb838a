"""What is written into the ledger, entry by entry. The words are those of `base.py`."""

from __future__ import annotations

from attrs import frozen

from eventroute.storage.values import BreakerState, Claim, DeadLetter, Forward, Waiting

__all__ = ["Advance", "Bury", "Complete", "Entry", "Forwarded", "PutOff", "Settle", "Trip", "Wait"]


@frozen
class Complete:
    """Entry: a claim is done; its reader's position may move past it. A repeat, by the same session, does nothing."""

    claim: Claim


@frozen
class Advance:
    """Entry: all of a claim below `start` is settled or waiting; the claim goes on as the range from there.

    `claim.start` < `start` <= `claim.end`; the claim is known by its new start from then on, and one that has advanced
    to its end is done, as by `Complete`. A repeat does nothing.
    """

    claim: Claim
    start: int


@frozen
class Wait:
    """Entry: a delivery waits (inserted or overwritten). With `held` the session that writes it keeps it. The event of
    the row that it overwrites stays, where it brings none.

    With `again` the session has had the row in hand. Nothing is written where it is gone, since another has come to an
    end with the delivery (a replay, say); where another living session holds it; or where it counts more attempts: it
    was in other hands meanwhile.
    """

    waiting: Waiting
    held: bool
    again: bool = False


@frozen
class Settle:
    """Entry: a waiting delivery is done (delivered). Nothing is removed where it is not there, or where another living
    session holds it: it is to be delivered once more, by a replay.
    """

    subscription: str
    offset: int


@frozen
class Bury:
    """Entry: a delivery is given up: the dead letter is kept, a waiting row of the same delivery goes.

    With a `key` to hold, it waits on, `STUCK`, and with it all of that key behind it, until the letter goes.
    With `again` the session has had the row in hand. Nothing is done where it is gone, or another living session holds
    it, as for `Wait`.
    """

    letter: DeadLetter
    key: int | None = None
    again: bool = False


@frozen
class Forwarded:
    """Entry: a dead letter has got where it was to go, and is kept no longer, unless it is another one by now, or what
    is `STUCK` because of it needs it to be acted on: then it stays, and goes nowhere any more.
    """

    letter: DeadLetter


@frozen
class PutOff:
    """Entry: a dead letter has this `forward` now, and nobody holds it. None: it stays in the ledger.

    Nothing is done where it is another one by now; where another living session holds it; or where its `forward` is not
    that of `letter`, as it was taken, any more: it was in other hands meanwhile.
    """

    letter: DeadLetter
    forward: Forward | None


@frozen
class Trip:
    """Entry: a breaker has changed; without effect where one of its serial or a later one is there."""

    state: BreakerState


Entry = Advance | Complete | Wait | Settle | Bury | Forwarded | PutOff | Trip
