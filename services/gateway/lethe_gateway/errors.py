"""Everything the gateway can refuse, on one page. Sentences tell the next step and never echo input.

GatewayError
├── BadRequest            400  the request cannot be understood; `param` names the field
│   ├── NulInText         400  a text has a character that cannot be stored
│   ├── UnknownConsent    400  nobody is asked about this purpose
│   ├── ConsentNeeded     400  without this consent no account is opened
│   ├── AgeNotTold        400  the policy asks for an age, and it is missing
│   ├── AgeNotAsked       400  the policy does not ask for this
│   └── SignInRefused     400  what came back from the provider is not what was begun here
├── NotSignedIn           401  no key, a wrong key, or a session that ended
│   ├── WrongLogin        401  address or password do not fit
│   └── NoAccountYet      401  the provider knows them, and there is no account here yet
├── InsufficientCredits   402  buy credits or choose a cheaper setting
├── Forbidden             403  understood, and not allowed
│   ├── ForeignOrigin     403  a browser sent this from another site
│   ├── NotVerified       403  the address is not confirmed yet
│   ├── UseRefused        403  the policy or its owner's choice does not allow this use of the data
│   ├── TrainingRefused   403  the policy gives this recipient nothing to train with, or no contract with it stands
│   ├── ProcessingRestricted 403  its owner restricted the processing of their data
│   ├── TooYoung          403  the service is not for somebody so young; nothing was kept
│   └── ParentNeeded      403  this consent is the parents' to give
├── NotFound              404  there is no such thing, or it is somebody else's
│   └── WayNotOffered     404  the policy does not let people in this way
├── Conflict              409  it contradicts what is there
│   ├── AddressTaken      409  there is an account with this address
│   └── PolicyChanged     409  what was answered are the words of another version
├── Gone                  410  it was here and has been removed
├── TooLarge              413  more bytes than the limit
├── WrongMediaType        415  a body or file of a kind that is not accepted
├── RangeBeyond           416  there are not so many bytes
├── KeyReused             422  an Idempotency-Key with another body
├── TooManyRequests       429  slow down
└── AwayForNow            503  something needed is away; retry
    ├── Sealed            503  started, and facts are gone through before anything is served
    └── ProviderAway      503  the provider people sign in by does not answer
"""

from collections.abc import Sequence
from typing import ClassVar

from lethe_common.errors import LetheError

_NO_CONTRACT = "No contract with this trainer stands today. Enter it: lethe registers processors enter."
_TRAINING = {
    "training_prohibited": "The policy prohibits training{said}, so nothing is given to anybody.",
    "training_without_consent": (
        "The policy does not ask people whether they want models trained with their work{said}. Write default: opt_in "
        "under purposes.train_models in its next version."
    ),
    "training_unrecorded": (
        "The policy keeps no record of what is given{said}. State training.record in its next version; `lethe policy lint` "
        "says how."
    ),
    "no_trainer": (
        "The policy names no such trainer{said}: a recipient with trains: true, purposes: [train_models] and "
        "data: [content.prompt, output.video], both of which have train_models among their uses."
    ),
    "trainer_without_key": (
        "The policy names no key of this trainer{said}. Have it run `lethe training key`, and state the public half as "
        "sealed_to in the next version."
    ),
    "register_unheard": "It cannot be heard whether the contract with this trainer stands. Try again in a few seconds.",
}


class GatewayError(LetheError):
    """`kind` is the `type` of OpenAI's error shape."""

    kind: ClassVar[str] = "invalid_request_error"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param, self.own_code = param, code or self.code
        self.headers: dict[str, str] = {}


class BadRequest(GatewayError):
    code, status = "invalid_request", 400


class NulInText(BadRequest):
    """PostgreSQL's text has no NUL; what other services keep of a request would be refused there."""

    def __init__(self) -> None:
        super().__init__("A text in the request has a NUL character (U+0000). Remove it.")


class UnknownConsent(BadRequest):
    code = "unknown_consent"

    def __init__(self) -> None:
        super().__init__(
            "Nobody is asked about one of these purposes. GET /v1/sign-up and GET /v1/privacy/consents list them.",
            param="consents",
        )


class ConsentNeeded(BadRequest):
    """`text` is the purpose in the policy's words."""

    code = "consent_needed"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"An account needs your consent to this: {text}. Send it under consents; GET /v1/sign-up has the words.",
            param="consents",
        )


class AgeNotTold(BadRequest):
    """`name` is the field that is missing."""

    code = "age_needed"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"The policy asks for an age here. Send {name}; GET /v1/sign-up says what it means. It is not stored.",
            param=name,
        )


class AgeNotAsked(BadRequest):
    """`name` is the field that is too much."""

    code = "not_asked"

    def __init__(self, name: str) -> None:
        super().__init__(f"The policy does not ask for {name}. Leave it out.", param=name)


class NotSignedIn(GatewayError):
    code, status, kind = "invalid_api_key", 401, "authentication_error"

    def __init__(self, message: str = "This needs a valid API key or session. Check the key, or sign in.") -> None:
        super().__init__(message)


class WrongLogin(NotSignedIn):
    code = "wrong_login"

    def __init__(self) -> None:
        super().__init__("Address or password do not fit. Try again, or reset the password.")


class NoAccountYet(NotSignedIn):
    code = "no_account_yet"

    def __init__(self) -> None:
        super().__init__("There is no account here for this sign-in yet. Begin under New account on the front page.")


class SignInRefused(BadRequest):
    code = "sign_in_refused"

    def __init__(self) -> None:
        super().__init__(
            "This sign-in was not begun in this browser, took too long, or is not vouched for. Begin again."
        )


class InsufficientCredits(GatewayError):
    code, status, kind = "insufficient_credits", 402, "insufficient_quota"

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(
            f"This needs {needed} credits and {available} are available. Choose fewer seconds or get more credits."
        )


class Forbidden(GatewayError):
    code, status, kind = "forbidden", 403, "permission_error"


class ForeignOrigin(Forbidden):
    code = "foreign_origin"

    def __init__(self) -> None:
        super().__init__("This was sent from another site. Use the studio itself, or an API key.")


class NotVerified(Forbidden):
    code = "email_not_verified"

    def __init__(self) -> None:
        super().__init__("The e-mail address is not confirmed yet. Open the link in the mail first.")


class RequestsOnly(Forbidden):
    code = "requests_only"

    def __init__(self) -> None:
        super().__init__("A session by a mailed link is for requests only. Sign in, or open an account.")


class UseRefused(Forbidden):
    code = "use_refused"

    def __init__(self) -> None:
        super().__init__("The policy, or a choice of the person concerned, does not allow this use of the data.")


class TrainingRefused(Forbidden):
    """`reason` is an `Obstacle` of the policy, or why egress lets nothing out; `clauses` speak of what stands against it."""

    def __init__(self, reason: str, clauses: Sequence[str]) -> None:
        said = f" ({', '.join(clauses)})" if clauses else ""
        super().__init__(_TRAINING.get(reason, _NO_CONTRACT).format(said=said), code=reason)


class ProcessingRestricted(Forbidden):
    code = "processing_restricted"

    def __init__(self) -> None:
        super().__init__(
            "The processing of your data is restricted, as you asked. Lift the restriction under your requests first."
        )


class TooYoung(Forbidden):
    """`contact` is where a parent may write."""

    code = "too_young"

    def __init__(self, years: int, contact: str) -> None:
        super().__init__(
            f"This service is for people from {years} years on. Nothing was stored. Parents may write to {contact}."
        )


class ParentNeeded(Forbidden):
    """`contact` is where a parent may write."""

    code = "parent_needed"

    def __init__(self, years: int, contact: str) -> None:
        super().__init__(
            f"Below {years} years this consent is a parent's to give. Leave it out, or have them write to {contact}."
        )


class NotFound(GatewayError):
    code, status = "not_found", 404

    def __init__(
        self, message: str = "There is nothing with this id. Check the id and the key.", *, code: str | None = None
    ) -> None:
        super().__init__(message, code=code)


class WayNotOffered(NotFound):
    """`offered` are the ways there are."""

    def __init__(self, offered: Sequence[str]) -> None:
        super().__init__(
            f"The policy does not let people in this way. Ways in: {', '.join(offered) or 'none'}.",
            code="way_not_offered",
        )


class Conflict(GatewayError):
    code, status = "conflict", 409


class AddressTaken(Conflict):
    code = "address_taken"

    def __init__(self) -> None:
        super().__init__("No account can be opened with this address. Sign in, or reset the password.", param="email")


class PolicyChanged(Conflict):
    code = "policy_changed"

    def __init__(self) -> None:
        super().__init__(
            "The policy has changed since these words were shown. Read them again, and choose then.",
            param="policy_version",
        )


class Gone(GatewayError):
    code, status = "gone", 410

    def __init__(self, message: str = "This was removed and cannot be brought back.") -> None:
        super().__init__(message)


class TooLarge(GatewayError):
    code, status = "too_large", 413

    def __init__(self, limit_bytes: int, *, param: str | None = None) -> None:
        super().__init__(f"This is larger than the {limit_bytes} bytes allowed. Send less.", param=param)


class WrongMediaType(GatewayError):
    code, status = "unsupported_media_type", 415


class RangeBeyond(GatewayError):
    """Says how many bytes there are, in the header that RFC 9110, section 14.4, has for it."""

    code, status = "range_not_satisfiable", 416

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"The range lies behind the last of {size_bytes} bytes. Ask for an earlier one, or for all.")
        self.headers = {"Content-Range": f"bytes */{size_bytes}"}


class KeyReused(GatewayError):
    code, status = "idempotency_conflict", 422

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used with another body. Use a new key for a new request.")


class TooManyRequests(GatewayError):
    code, status, kind = "rate_limited", 429, "rate_limit_error"

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(f"Too many requests. Try again in {wait_seconds} seconds.")
        self.wait_seconds = wait_seconds


class AwayForNow(GatewayError):
    """Something needed is away; with Retry-After."""

    code, status, kind = "unavailable", 503, "server_error"


class Sealed(AwayForNow):
    """Nothing is served before all that people decided holds in the data again."""

    code = "starting"

    def __init__(self) -> None:
        super().__init__(
            "The service is starting and makes sure first that what was deleted and revoked stays so. "
            "Try again in a few seconds."
        )


class ProviderAway(AwayForNow):
    code = "provider_away"

    def __init__(self) -> None:
        super().__init__("The sign-in service does not answer. Try again in a few minutes; nothing was changed.")
