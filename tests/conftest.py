"""The tests run on the reactor that the product runs on."""

from pomerium_tw.transport import install_reactor

install_reactor()
