"""`lethe accounts`: open one, erase it, or move it to another plan."""

from typing import Annotated

import typer

from lethe_cli.api import Answer
from lethe_cli.errors import ApiRefused
from lethe_cli.newcomers import Told, answers
from lethe_cli.printing import OUT, records
from lethe_cli.remote import DEFAULT_DATA, DEFAULT_URL, AsJson, Data, Key, Url, anonymous, api, console

accounts = typer.Typer(help="Open an account, erase it, or (operators) change its plan.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(accounts, name="accounts")


BirthYear = Annotated[int | None, typer.Option(min=1900, help="Where the policy asks for it; compared, not stored.")]
IsOfAge = Annotated[bool | None, typer.Option("--of-age/--under-age", help="Where the policy asks for a declaration.")]
MayConsent = Annotated[
    bool | None, typer.Option("--may-consent", help="You are old enough to consent without your parents.")
]
Consents = Annotated[
    list[str] | None,
    typer.Option("--consent", help="A purpose you consent to; repeat it for more. See GET /v1/sign-up."),
]


@accounts.command("create")
def create(
    email: Annotated[str, typer.Option(prompt=True, help="The address you sign in with.")],
    password: Annotated[
        str,
        typer.Option(
            prompt=True,
            hide_input=True,
            confirmation_prompt=True,
            envvar="LETHE_PASSWORD",
            help="At least 10 characters.",
        ),
    ],
    birth_year: BirthYear = None,
    is_of_age: IsOfAge = None,
    may_consent: MayConsent = None,
    consents: Consents = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Open an account and print its first API key, which is shown only this once."""
    with anonymous(url) as client:
        told = answers(client, Told(birth_year, is_of_age, may_consent, consents or ()))
        opened = client.post("/v1/accounts", {"email": email, "password": password, **told})
    _print(opened, as_json=as_json)


@accounts.command("guest")
def guest(
    birth_year: BirthYear = None,
    is_of_age: IsOfAge = None,
    may_consent: MayConsent = None,
    consents: Consents = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Begin as a guest, where the policy lets guests in: no address, only an API key, shown only this once."""
    with anonymous(url) as client:
        told = answers(client, Told(birth_year, is_of_age, may_consent, consents or ()))
        opened = client.post("/v1/guests", told)
    _print(opened, as_json=as_json)


def _print(opened: Answer, *, as_json: bool) -> None:
    if as_json:
        records([opened])
        return
    OUT.print(f"account  {opened['account']['id']}")
    OUT.print(f"API key  {opened['api_key']['key']}")
    OUT.print("The key is not shown again. Set it: export LETHE_API_KEY=...")


@accounts.command("erase")
def erase(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: Url = None,
    api_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Erase your account everywhere: clips, prompts, credits, sign-ins. It cannot be undone."""
    if not yes:
        typer.confirm("All your clips, prompts and unspent credits are lost for ever. Erase the account?", abort=True)
    with api(url, api_key) as client:
        answer = client.delete("/v1/account")
    if as_json:
        records([answer])
        return
    OUT.print("Erased." if answer["certificate"] else "Under way; it goes on without you.")
    OUT.print(f"Its certificate: lethe certificate fetch '{(url or DEFAULT_URL) + answer['link']}' -o certificate.json")


@accounts.command("plan")
def plan(
    account: Annotated[str, typer.Argument(help="The account's id (acct_...).")],
    name: Annotated[str, typer.Argument(help="A plan of catalogue.yaml.")],
    data: Data = DEFAULT_DATA,
) -> None:
    """Move an account to another plan (operators; through the console)."""
    with console(data) as client:
        try:
            changed = client.post(f"/api/accounts/{account}/plan", {"plan": name})
        except ApiRefused as error:
            raise typer.BadParameter(str(error)) from error
    OUT.print(f"{account} is on {changed['plan']} since {changed['since']}")
