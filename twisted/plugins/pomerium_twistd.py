"""``twistd pomerium``."""

from twisted.application.service import ServiceMaker

pomerium = ServiceMaker("pomerium", "pomerium_tw.service.tap", "An identity-aware access proxy", "pomerium")
