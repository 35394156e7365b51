"""What the pages leave in a visitor's browser: cookies, and nothing else.

The cookie page of the policy is about this list. Scripts keep nothing: a key of
localStorage, sessionStorage, IndexedDB or the Cache is declared here before it may be used.
"""

from lethe_common.catalogue import Kind, declare, each, held, impersonal

SESSION_COOKIE, SECURE_SESSION_COOKIE = "lethe_session", "__Host-lethe_session"
CONSOLE_COOKIE = "lethe_console"
LANGUAGE_COOKIE = "lethe_language"

COOKIES = declare(
    Kind.COOKIE,
    {
        **each((SESSION_COOKIE, SECURE_SESSION_COOKIE), held("identity.session", is_sealed=False)),
        CONSOLE_COOKIE: impersonal("an operator's sign-in, not a visitor's"),
        LANGUAGE_COOKIE: impersonal("en or ru, as the visitor asked for"),
    },
)
STORAGE_KEYS = declare(Kind.BROWSER_KEY, {})
