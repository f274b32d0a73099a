"""Names of the query parameters that our own hosts exchange (spec/identity §4.5), and the paths they meet
at."""

REDIRECT_URI = "pomerium_redirect_uri"
IDP_ID = "pomerium_idp_id"
SESSION_ENCRYPTED = "pomerium_session_encrypted"
FLOW = "pomerium_flow"
"""Id of the route host's half of the sign-in: the browser that began holds a cookie of this id."""
STARTED = "pomerium_started"
"""When the browser was sent off to sign in, in milliseconds since the epoch."""
SIGN_OUT_SESSION = "pomerium_sign_out_session"
"""The session that a route host's visitor wants to end, sealed: a link made for another cannot end his."""

CALLBACK_PATH = "/.pomerium/callback/"
SIGN_IN_PATH = "/.pomerium/sign_in"
SIGN_OUT_PATH = "/.pomerium/sign_out"
SIGNED_OUT_PATH = "/.pomerium/signed_out"
PROVIDER_CALLBACK_PATH = "/oauth2/callback"
