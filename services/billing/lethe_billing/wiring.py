"""Everything billing is made of, built once."""

from datetime import timedelta

from lethe_billing.adapters.gateway import Gateway
from lethe_billing.endpoints import AccountEndpoints, HoldEndpoint
from lethe_billing.erasures import ErasureHandlers
from lethe_billing.expiries import Expiries
from lethe_billing.exports import Exports
from lethe_billing.handlers import OutcomeHandlers
from lethe_billing.holds import HoldDesk
from lethe_billing.openings import OpeningHandlers
from lethe_billing.placing import HoldCounter
from lethe_billing.settings import Settings
from lethe_common.coalescer import Coalescer
from lethe_common.events.identity import AccountOpened
from lethe_common.events.jobs import GenerationCancelled, GenerationCompleted, GenerationFailed
from lethe_common.events.privacy import ErasureCompleted, ErasureFenced, ErasureStepRequested
from lethe_common.process import Frame, Parts
from lethe_common.rpc.billing import BalanceGet, HoldPlace, HoldRelease, LedgerVerify, PlanChange, PlansCount, QuoteMake
from lethe_common.rpc.exports import BillingExportPage


async def build(frame: Frame, settings: Settings) -> Parts:
    """Build the service."""
    catalogue = frame.catalogue
    hold_period = timedelta(seconds=settings.hold_seconds)
    desk = HoldDesk(catalogue.prices, hold_period)
    counter = HoldCounter(frame.database, desk, frame.clock, timedelta(seconds=settings.retry_window_seconds))
    holds = Coalescer(counter.apply, max_batch=settings.hold_batch, writers=settings.hold_writers)
    accounts = AccountEndpoints(frame.database, desk, catalogue, frame.clock, timedelta(seconds=settings.quote_seconds))
    outcomes = OutcomeHandlers(catalogue.prices, frame.clock)
    erasures = ErasureHandlers(frame.book, frame.clock)
    expiries = Expiries(
        frame.database,
        frame.book,
        Gateway(frame.bus).accepted,
        hold_period=hold_period,
        fence_period=timedelta(days=settings.fence_days),
        batch=settings.expiry_batch,
    )
    hold = HoldEndpoint(holds, expiries, frame.clock)
    return Parts(
        handlers={
            ErasureFenced: erasures.on_erasure_fenced,
            ErasureStepRequested: erasures.on_erasure_step_requested,
            ErasureCompleted: erasures.on_erasure_completed,
        },
        batch_handlers={
            AccountOpened: OpeningHandlers(catalogue, frame.clock).on_accounts_opened,
            GenerationCompleted: outcomes.on_generations_completed,
            GenerationFailed: outcomes.on_generations_failed,
            GenerationCancelled: outcomes.on_generations_cancelled,
        },
        answers={
            HoldPlace: hold.place,
            HoldRelease: hold.release,
            QuoteMake: accounts.quote,
            BalanceGet: accounts.balance,
            PlanChange: accounts.change_plan,
            PlansCount: accounts.plans_count,
            LedgerVerify: accounts.verify,
            BillingExportPage: Exports(frame.database).page,
        },
        replay=erasures.bring_about,
        workers=[holds.run],
        sweeps=[expiries.sweep],
        rare_sweeps=[expiries.prune],
    )
