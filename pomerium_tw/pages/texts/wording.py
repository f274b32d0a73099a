"""Phrases that several texts share."""

from __future__ import annotations

ASK = "Tell the people who run this service, with the request id below: it is in their log too."
TRY_AGAIN = "Try again in a moment. If it goes on, tell the people who run this service, with the request id."
USER_PAGE = "/.pomerium/"
SIGN_OUT = "/.pomerium/sign_out"
