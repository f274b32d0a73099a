"""Who is asking, from the mirror alone: a real store feeds it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred
from twisted.internet.task import Clock

from pomerium_tw.databroker import (
    DEVICE_CREDENTIAL,
    DEVICE_ENROLLMENT,
    DIRECTORY_GROUP,
    DIRECTORY_USER,
    SESSION,
    USER,
    MemoryStore,
    Mirror,
    Record,
    StoreError,
    StoreUnavailable,
)
from pomerium_tw.model import ANONYMOUS, Device, Head, Identity, Secret
from pomerium_tw.session import CALLER_RECORDS, HandleCodec, Identities, SessionHandle
from pomerium_tw.session import identities as module

NOW = 1_800_000_000
HOST = "app.example.com"


@dataclass
class House:
    clock: Clock
    store: MemoryStore
    mirror: Mirror
    codec: HandleCodec
    identities: Identities
    keep_alive: bool
    """Whether the same cookies come in the same header block, as on a connection that is kept."""
    heads: dict[tuple[str, ...], Head] = field(default_factory=dict)

    async def put(self, record_type: str, record_id: str, **data: object) -> Record:
        written = await self.store.put([Record.new(record_type, record_id, data)])
        await self.mirror.wait_for(written.record_version)
        return written.records[0]

    async def session(self, session_id: str = "s1", user_id: str = "alice", **more: object) -> Record:
        facts = {"user_id": user_id, "idp_id": "idp", "issued_at": NOW, "expires_at": NOW + 100}
        return await self.put(SESSION, session_id, **{**facts, **more})

    def handle(
        self, session_id: str = "s1", user_id: str = "alice", version: int = 0, idp_id: str = "idp"
    ) -> str:
        issued = int(self.clock.seconds())
        return self.codec.encode(SessionHandle(session_id, user_id, (HOST,), idp_id, issued, version))

    def ask(self, *cookies: str, host: str = HOST, idp_id: str = "idp") -> Identity:
        block = self.heads.setdefault(cookies, head(*cookies)) if self.keep_alive else head(*cookies)
        return self.identities.from_cookies(block, "_pomerium", host, idp_id)


def head(*cookies: str) -> Head:
    line = "; ".join(f"_pomerium={cookie}" for cookie in cookies)
    return Head(host=HOST, port=None, fields=(), passed=b"", cookie=line.encode("latin-1") or None)


@pytest_twisted.async_yield_fixture(params=[False, True], ids=["new-connections", "keep-alive"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    clock = Clock()
    clock.advance(NOW)
    store = MemoryStore(clock)
    await store.start()
    mirror = Mirror(store, CALLER_RECORDS, clock)
    await mirror.start()
    codec = HandleCodec(Secret(b"k" * 32))
    yield House(clock, store, mirror, codec, Identities(mirror, codec, clock.seconds), request.param)
    mirror.stop()
    await store.stop()


@ensureDeferred
async def test_a_good_cookie_is_the_session_and_user_of_its_records(house: House) -> None:
    await house.put(USER, "alice", email="alice@example.com", claims={"groups": ["a"]})
    await house.session()
    identity = house.ask(house.handle())
    assert (identity.user_id, identity.email) == ("alice", "alice@example.com")
    assert identity.claims["groups"] == ("a",)


@ensureDeferred
async def test_one_identity_is_shared_until_one_of_its_records_changes(house: House) -> None:
    await house.session()
    first = house.ask(house.handle())
    first.memo["made of"] = "it"
    assert house.ask(house.handle()) is first
    await house.put(USER, "bob", email="bob@example.com")
    assert house.ask(house.handle()) is first
    await house.put(USER, "alice", email="alice@example.com")
    second = house.ask(house.handle())
    assert second is not first and second.email == "alice@example.com" and not second.memo
    await house.session(expires_at=NOW + 200)
    assert house.ask(house.handle()) is not second


@ensureDeferred
async def test_nobody_is_signed_in_by_a_cookie_for_another_host_provider_user_or_session(
    house: House,
) -> None:
    await house.session()
    good = house.handle()
    assert house.ask(good, host="other.example.com") is ANONYMOUS
    assert house.ask(good, idp_id="another") is ANONYMOUS
    assert house.ask(house.handle(user_id="mallory")) is ANONYMOUS
    assert house.ask(house.handle(session_id="unknown")) is ANONYMOUS
    assert house.ask(HandleCodec(Secret(b"x" * 32)).encode(house.codec.decode(good))) is ANONYMOUS
    assert house.ask("", "nonsense", "\xff") is ANONYMOUS
    assert house.ask() is ANONYMOUS
    assert house.ask(good, idp_id="").user_id == "alice"


@ensureDeferred
async def test_a_planted_cookie_neither_wins_nor_hides_ours(house: House) -> None:
    await house.session()
    await house.session("s2", "mallory")
    elsewhere = house.codec.encode(SessionHandle("s2", "mallory", ("evil.example.com",), "idp", NOW, 0))
    for order in ((elsewhere, house.handle()), (house.handle(), elsewhere), ("junk", house.handle())):
        assert house.ask(*order).user_id == "alice"


@ensureDeferred
async def test_of_two_good_cookies_the_first_wins_as_soon_as_its_session_is_there(house: House) -> None:
    """On a connection that is kept as on a new one."""
    record = await house.session("s2", "bob")
    both = house.handle(), house.handle("s2", "bob")
    for _ in range(2):
        assert house.ask(*both).user_id == "bob"
    await house.session()
    for _ in range(2):
        assert house.ask(*both).user_id == "alice"
    await house.store.put([record.deletion(NOW)])
    assert house.ask(*both).user_id == "alice"


@ensureDeferred
async def test_a_session_that_is_over_goes_first_again_when_the_clock_is_put_back(house: House) -> None:
    await house.session()
    await house.session("s2", "bob", expires_at=NOW + 1000)
    both = house.handle(), house.handle("s2", "bob")
    house.clock.advance(200)
    for _ in range(2):
        assert house.ask(*both).user_id == "bob"
    house.clock.rightNow -= 150
    assert house.ask(*both).user_id == "alice"


@pytest.mark.parametrize("before", ["junk", "elsewhere", "provider"])
@ensureDeferred
async def test_cookies_that_never_become_good_do_not_keep_the_caller_from_being_remembered(
    house: House, before: str
) -> None:
    await house.session()
    planted = {
        "junk": "junk",
        "elsewhere": house.codec.encode(SessionHandle("s1", "alice", ("b.example.com",), "idp", NOW, 0)),
        "provider": house.handle(idp_id="another"),
    }[before]
    block = head(planted, house.handle())
    found = house.identities.from_cookies(block, "_pomerium", HOST, "idp")
    assert found.user_id == "alice" and block.memo[house.identities][0] is found


@ensureDeferred
async def test_a_session_is_over_at_its_end_and_when_it_is_deleted(house: House) -> None:
    record = await house.session()
    handle = house.handle()
    house.clock.advance(99.9)
    assert house.ask(handle) is not ANONYMOUS
    house.clock.advance(0.1)
    assert house.ask(handle) is ANONYMOUS
    record = await house.session(expires_at=NOW + 1000)
    assert house.ask(handle) is not ANONYMOUS
    await house.store.put([record.deletion(NOW)])
    await house.mirror.wait_for(record.version + 1)
    assert house.ask(handle) is ANONYMOUS


@ensureDeferred
async def test_an_unreadable_record_is_no_session(house: House) -> None:
    await house.put(SESSION, "s1", user_id="alice", expires_at="soon", issued_at=0, idp_id="idp")
    assert house.ask(house.handle()) is ANONYMOUS


@ensureDeferred
async def test_a_mirror_that_cannot_be_trusted_says_neither_yes_nor_no(house: House) -> None:
    await house.session()
    handle = house.handle()
    assert house.ask(handle) is not ANONYMOUS
    house.mirror.stop()
    with pytest.raises(StoreError):
        house.ask(handle)
    assert house.ask() is ANONYMOUS and house.ask("junk") is ANONYMOUS


@ensureDeferred
async def test_a_fresh_handle_may_be_ahead_of_the_mirror(house: House) -> None:
    ahead = house.mirror.version + 5
    handle = house.handle(version=ahead)
    version_ahead = house.identities.version_ahead
    assert version_ahead(head(handle), "_pomerium", HOST) == ahead
    assert version_ahead(head(handle), "_pomerium", "other.example.com") == 0
    assert version_ahead(head(house.handle(version=house.mirror.version)), "_pomerium", HOST) == 0
    assert version_ahead(head("junk"), "_pomerium", HOST) == 0
    house.clock.advance(60)
    assert version_ahead(head(handle), "_pomerium", HOST) == 0, "a data set begun anew must not be waited for"


@ensureDeferred
async def test_remembered_handles_are_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED_HANDLES", 3)
    await house.session()
    for version in range(10):
        assert house.ask(house.handle(version=version)) is not ANONYMOUS
    assert len(house.identities._handles) == 3


@ensureDeferred
async def test_an_impersonated_session_gives_the_rights_and_ours_stays_named(house: House) -> None:
    await house.put(USER, "bob", email="bob@example.com")
    await house.session("s2", "bob", claims={"groups": ["b"]})
    await house.session(impersonate_session_id="s2")
    identity = house.ask(house.handle())
    assert (identity.user_id, identity.email, identity.session_id) == ("bob", "bob@example.com", "s1")
    assert identity.presented is not None and identity.presented.user_id == "alice"
    assert house.ask(house.handle()) is identity
    assert house.ask(house.handle(user_id="bob")) is ANONYMOUS, "the handle is the named session's"
    await house.put(USER, "bob", email="new@example.com")
    assert house.ask(house.handle()).email == "new@example.com"
    await house.session(impersonate_session_id="")
    assert house.ask(house.handle()).user_id == "alice"


@ensureDeferred
async def test_impersonation_ends_with_either_session(house: House) -> None:
    await house.session(impersonate_session_id="s2")
    assert house.ask(house.handle()) is ANONYMOUS, "there is none: not even our own rights"
    record = await house.session("s2", "bob", expires_at=NOW + 50)
    assert house.ask(house.handle()).user_id == "bob"
    house.clock.advance(50)
    assert house.ask(house.handle()) is ANONYMOUS
    await house.session("s2", "bob", expires_at=NOW + 500)
    assert house.ask(house.handle()).user_id == "bob"
    written = await house.store.put([record.deletion(NOW)])
    await house.mirror.wait_for(written.record_version)
    assert house.ask(house.handle()) is ANONYMOUS
    await house.session("s2", "bob", expires_at=NOW + 500)
    house.clock.advance(50)
    assert house.ask(house.handle()) is ANONYMOUS, "ours is over"


@ensureDeferred
async def test_the_directory_names_groups_and_address(house: House) -> None:
    await house.session()
    handle = house.handle()
    assert house.ask(handle).directory is None
    await house.put(DIRECTORY_USER, "alice", group_ids=["g1", "g2"])
    found = house.ask(handle).directory
    assert found is not None and (found.email, found.group_ids) == (None, ("g1", "g2"))
    await house.put(DIRECTORY_GROUP, "g2", name="G2")
    found = house.ask(handle).directory
    assert found is not None and [group.name for group in found.groups] == ["", "G2"]
    await house.put(DIRECTORY_USER, "alice", email="", group_ids=["g2"])
    found = house.ask(handle).directory
    assert found is not None and (found.email, found.group_ids) == ("", ("g2",))
    before = house.ask(handle)
    await house.put(DIRECTORY_GROUP, "g1", name="of no concern")
    assert house.ask(handle) is before


@ensureDeferred
async def test_devices_are_those_whose_records_stand(house: House) -> None:
    credentials = [
        {"type_id": "any", "id": "c1"},
        {"type_id": "any", "id": "c2"},
        {"type_id": "enclave_only", "unavailable": {}},
    ]
    await house.session(device_credentials=credentials)
    await house.put(DEVICE_CREDENTIAL, "c2", enrollment_id="e1")
    handle = house.handle()
    assert house.ask(handle).devices == {}, "the first of a type, or none"
    await house.put(DEVICE_CREDENTIAL, "c1", enrollment_id="e1")
    assert house.ask(handle).devices == {"any": Device("c1")}
    await house.put(DEVICE_ENROLLMENT, "e1", approved_by="")
    assert house.ask(handle).devices == {"any": Device("c1", enrolled=True)}
    await house.put(DEVICE_ENROLLMENT, "e1", approved_by="admin")
    assert house.ask(handle).devices == {"any": Device("c1", enrolled=True, approved=True)}


@pytest.mark.parametrize(
    ("record_type", "record_id", "odd"),
    [
        (USER, "alice", {"email": 5}),
        *((DIRECTORY_USER, "alice", {"group_ids": odd}) for odd in ("admins", 5, {"a": 1}, [None], [["x"]])),
        *((DIRECTORY_USER, "alice", {"email": odd}) for odd in (5, ["a"])),
        (DIRECTORY_GROUP, "g1", {"name": ["admins"]}),
        (DEVICE_CREDENTIAL, "c1", {"enrollment_id": 7}),
        (DEVICE_ENROLLMENT, "e1", {"approved_by": ["x"]}),
        *((SESSION, "s1", {"device_credentials": odd}) for odd in ("x", ["x"], [{"id": "c1"}], {"a": 1})),
        (SESSION, "s1", {"device_credentials": [{"type_id": "any", "id": 7}]}),
        (SESSION, "s1", {"impersonate_session_id": ["s1"]}),
        (SESSION, "s1", {"expires_at": "inf"}),
    ],
)
@ensureDeferred
async def test_a_record_of_another_shape_lets_nobody_in(
    house: House, record_type: str, record_id: str, odd: dict[str, object]
) -> None:
    good: dict[tuple[str, str], dict[str, object]] = {
        (USER, "alice"): {"email": "alice@example.com"},
        (DIRECTORY_USER, "alice"): {"group_ids": ["g1"]},
        (DIRECTORY_GROUP, "g1"): {"name": "G1"},
        (DEVICE_CREDENTIAL, "c1"): {"enrollment_id": "e1"},
        (DEVICE_ENROLLMENT, "e1"): {"approved_by": "admin"},
    }
    for (kind, name), data in good.items():
        await house.put(kind, name, **data)
    session = await house.session(device_credentials=[{"type_id": "any", "id": "c1"}])
    assert house.ask(house.handle()).user_id == "alice"
    before = session.data if record_type == SESSION else good[record_type, record_id]
    await house.put(record_type, record_id, **{**before, **odd})
    if record_type in (SESSION, USER):
        assert house.ask(house.handle()) is ANONYMOUS, "a new sign-in writes them anew"
    else:
        with pytest.raises(StoreUnavailable):
            house.ask(house.handle())
    await house.put(record_type, record_id, **before)
    assert house.ask(house.handle()).user_id == "alice", "it recovers alone"


@ensureDeferred
async def test_null_in_records_of_a_caller_is_an_absent_field(house: House) -> None:
    await house.put(DIRECTORY_USER, "alice", group_ids=None, email=None)
    await house.put(USER, "alice", name=None, email="alice@example.com")
    await house.session(device_credentials=None, impersonate_session_id=None)
    identity = house.ask(house.handle())
    assert identity.email == "alice@example.com"
    assert identity.directory is not None and identity.directory.groups == () and not identity.devices


@ensureDeferred
async def test_the_log_is_told_once_of_each_version_of_a_record_that_cannot_be_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TOLD_RECORDS", 2)
    told: list[tuple[object, object]] = []
    monkeypatch.setattr(module.log, "error", lambda _text, **facts: told.append((facts["type"], facts["id"])))
    await house.session()
    handle = house.handle()
    for version in range(1, 5):
        await house.put(DIRECTORY_USER, "alice", group_ids="admins")
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                house.ask(handle)
        assert told == [(DIRECTORY_USER, "alice")] * version
    assert len(house.identities._told) == 2
    await house.put(DIRECTORY_USER, "alice")
    await house.session(device_credentials="x")
    assert house.ask(handle) is ANONYMOUS and told[-1] == (SESSION, "s1")


@ensureDeferred
async def test_what_is_kept_for_a_session_goes_with_it(house: House) -> None:
    await house.put(DIRECTORY_USER, "alice", group_ids=["g1"])
    records = [await house.session(f"s{number}") for number in range(10)]
    for number in range(10):
        assert house.ask(house.handle(f"s{number}")) is not ANONYMOUS
    assert house.identities._made_of[DIRECTORY_GROUP, "g1"] == {f"s{number}" for number in range(10)}
    written = await house.store.put([record.deletion(NOW) for record in records])
    await house.mirror.wait_for(written.record_version)
    assert not house.identities._identities and not house.identities._made_of


@ensureDeferred
async def test_a_record_that_concerns_one_session_then_two_then_one_again_goes_on_concerning_it(
    house: House,
) -> None:
    await house.put(USER, "alice", email="first@example.com")
    records = {number: await house.session(f"s{number}") for number in (1, 2)}

    def concerned() -> set[str]:
        found = house.identities._made_of[USER, "alice"]
        return {found} if isinstance(found, str) else set(found)

    def emails(*numbers: int) -> list[str]:
        return [house.ask(house.handle(f"s{number}")).email for number in numbers]

    assert emails(1) == ["first@example.com"] and concerned() == {"s1"}
    assert emails(1, 2) == ["first@example.com"] * 2 and concerned() == {"s1", "s2"}
    await house.put(USER, "alice", email="second@example.com")
    assert (USER, "alice") not in house.identities._made_of, "both are forgotten"
    assert emails(2, 1) == ["second@example.com"] * 2
    written = await house.store.put([records[2].deletion(NOW)])
    await house.mirror.wait_for(written.record_version)
    assert concerned() == {"s1"} and house.ask(house.handle("s2")) is ANONYMOUS
    await house.put(USER, "alice", email="third@example.com")
    assert emails(1) == ["third@example.com"]
    await house.session("s2")
    assert emails(2, 1) == ["third@example.com"] * 2 and concerned() == {"s1", "s2"}


@pytest.mark.parametrize("sessions", [1, 2, 3])
@ensureDeferred
async def test_each_session_of_a_user_that_changes_is_told_of(house: House, sessions: int) -> None:
    told: list[str] = []
    house.identities.on_change(told.append)
    names = [f"s{number}" for number in range(sessions)]
    records = [await house.session(name) for name in names]
    for name in names:
        assert house.ask(house.handle(name)) is not ANONYMOUS
    await house.put(USER, "alice", email="new@example.com")
    assert sorted(told) == names
    for name in names:
        assert house.ask(house.handle(name)).email == "new@example.com"
    written = await house.store.put([record.deletion(NOW) for record in records])
    await house.mirror.wait_for(written.record_version)
    assert sorted(told[sessions:]) == names
    assert not house.identities._identities and not house.identities._made_of
