"""Holds: credits set aside for one generation, until its outcome is known.

Nothing here touches the database: callers load wallets, decide here, and write the result if none
of them has changed. Requests are decided in their order, each seeing what those
before it took, so that of N holds on credits for k exactly k are placed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from lethe_billing.grants import Grant, Line, spendable, take
from lethe_billing.ledger import Books, Credits, Kind
from lethe_common.identifiers import GenerationId, HoldId
from lethe_common.policy import Price
from lethe_common.policy.errors import UnknownModel
from lethe_common.policy.prices import PriceBook
from lethe_common.policy.sizes import PictureSize
from lethe_common.rpc.billing import HoldAnswer, HoldOutcome, HoldRequest, Order


class HoldState(StrEnum):
    """A hold is settled once; one that expired may still be charged by a late completion, and is no answer to a repetition."""

    HELD = "held"
    POSTED = "posted"
    VOIDED = "voided"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Hold:
    """Credits set aside, and from which grants."""

    hold_id: HoldId
    generation_id: GenerationId
    wallet_id: UUID
    cause_ref: UUID
    order: Order
    quoted: Price
    lines: tuple[Line, ...]
    state: HoldState = HoldState.HELD


@dataclass(frozen=True, slots=True)
class KnownHold:
    """What an earlier call with the same key or body left."""

    hold_id: HoldId
    generation_id: GenerationId
    body_hash: str
    amount: Credits


@dataclass(frozen=True, slots=True)
class Quote:
    """A price that binds for a while."""

    wallet_id: UUID
    order: Order
    price: Price
    expires_at: datetime


@dataclass(slots=True)
class Wallet:
    """One subject's wallet, as it stands: its grants in spending order and the holds its callers may mean."""

    wallet_id: UUID
    grants: list[Grant] = field(default_factory=list)
    by_key: dict[str, KnownHold] = field(default_factory=dict)
    latest_by_body: dict[str, KnownHold] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlacedHold:
    """A new hold with what its caller chose, as it is stored."""

    hold: Hold
    key: str
    body_hash: str
    placed_at: datetime
    expires_at: datetime


@dataclass(slots=True)
class Placement:
    """The answers to a batch of requests, in their order, and what has to be written for them."""

    answers: list[HoldAnswer] = field(default_factory=list)
    placed: list[PlacedHold] = field(default_factory=list)
    books: Books = field(default_factory=Books)


class HoldDesk:
    """Decides about holds: by which price, from which grants, or why not."""

    def __init__(self, prices: PriceBook, hold_period: timedelta) -> None:
        self._prices, self._hold_period = prices, hold_period

    def place(
        self,
        requests: Sequence[HoldRequest],
        wallets: Mapping[str, Wallet],
        quotes: Mapping[str, Quote],
        at: datetime,
    ) -> Placement:
        """Decide a batch. `wallets` are by subject; a subject without one is unknown here or being erased."""
        placement = Placement()
        for request in requests:
            wallet = wallets.get(request.subject_ref)
            if wallet is None:
                answer = HoldAnswer(outcome=HoldOutcome.UNKNOWN_SUBJECT)
            else:
                answer = _answer_again(request, wallet, at) or self._place_one(request, wallet, quotes, at, placement)
            placement.answers.append(answer)
        return placement

    def price(self, order: Order, at: datetime) -> Price | None:
        """The price in force, or None where nothing on offer fits the order."""
        try:
            return self._prices.price(order.model, size_of(order), order.seconds, at)
        except UnknownModel:
            return None

    def _place_one(
        self, request: HoldRequest, wallet: Wallet, quotes: Mapping[str, Quote], at: datetime, placement: Placement
    ) -> HoldAnswer:
        price = self._price_of(request, wallet, quotes, at)
        if isinstance(price, HoldOutcome):
            return HoldAnswer(outcome=price)
        available = spendable(wallet.grants, at)
        if price.credits > available:
            return HoldAnswer(outcome=HoldOutcome.INSUFFICIENT, credits=price.credits, available=available)
        lines = take(wallet.grants, price.credits, at)
        hold = Hold(
            HoldId.new(), request.generation_id, wallet.wallet_id, uuid4(), request.order, price, lines
        )  # fmt: skip
        placement.placed.append(PlacedHold(hold, request.key, request.body_hash, at, at + self._hold_period))
        placement.books.move(Kind.HOLD, wallet.wallet_id, hold.cause_ref, price.credits)
        for line in lines:
            placement.books.grant_changes[line.grant_id] -= line.amount
        known = KnownHold(hold.hold_id, hold.generation_id, request.body_hash, price.credits)
        wallet.by_key[request.key] = wallet.latest_by_body[request.body_hash] = known
        return _answer(HoldOutcome.PLACED, known, available - price.credits)

    def _price_of(
        self, request: HoldRequest, wallet: Wallet, quotes: Mapping[str, Quote], at: datetime
    ) -> Price | HoldOutcome:
        if request.quote_id is None:
            return self.price(request.order, at) or HoldOutcome.UNKNOWN_PRICE
        quote = quotes.get(request.quote_id)
        is_theirs = quote is not None and quote.wallet_id == wallet.wallet_id and quote.order == request.order
        if quote is None or not is_theirs or at >= quote.expires_at:
            return HoldOutcome.QUOTE_GONE
        return quote.price


def size_of(order: Order) -> PictureSize:
    """The picture size ordered."""
    return PictureSize(order.width_px, order.height_px)


def _answer_again(request: HoldRequest, wallet: Wallet, at: datetime) -> HoldAnswer | None:
    known = wallet.by_key.get(request.key)
    if known is not None and known.body_hash != request.body_hash:
        return HoldAnswer(outcome=HoldOutcome.CONFLICT)
    if known is None and request.is_retry:
        known = wallet.latest_by_body.get(request.body_hash)
    return None if known is None else _answer(HoldOutcome.EXISTING, known, spendable(wallet.grants, at))


def _answer(outcome: HoldOutcome, known: KnownHold, available: Credits) -> HoldAnswer:
    return HoldAnswer(
        outcome=outcome,
        hold_id=known.hold_id,
        generation_id=known.generation_id,
        credits=known.amount,
        available=available,
    )
