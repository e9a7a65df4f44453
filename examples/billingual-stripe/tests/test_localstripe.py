"""Against localstripe, a foreign server in a process of its own and over real sockets.

localstripe 1.15.10 keeps no idempotency keys, has no path to finalize, takes few fields of a draft
and makes an invoice of pending items only. What it lacks the samples prove; what it has, this.
"""

from __future__ import annotations

import pytest
from billingual import Changes, CustomField, Draft, Filter, Money, Retry, errors
from billingual.testing import fault

from client_faces import Face, done, listed
from key_keeper import Heard, Keeper
from localstripe_shop import Shop

AT_ONCE = Retry(base_s=0.0)


def of(shop: Shop) -> Filter:
    """Look at this test's customer only."""
    return Filter(counterparty_ids=shop.customer)


def written(heard: list[Heard]) -> list[tuple[str, str | None]]:
    """Reduce writes to path and key."""
    return [(each.path, each.key) for each in heard]


def test_a_create_with_a_key_is_made_once(face: Face, shop: Shop, keeper: Keeper) -> None:
    """A caller that keeps the key may repeat the create; the same invoice comes back."""

    async def work() -> None:
        async with face.client(keeper.url) as client:
            shop.owe()
            one = await done(client.create(Draft(counterparty=shop.customer), key="order-7"))
            two = await done(client.create(Draft(counterparty=shop.customer), key="order-7"))

            assert one == two
            assert [one.id] == [row.id for row in await listed(client.list(of(shop)))]
            assert [("/v1/invoices", "order-7")] * 2 == written(keeper.posts())

    face.run(work)


@pytest.mark.parametrize(
    ("name", "arrived"),
    [("response_lost", 2), ("response_cut", 2), ("response_late", 2), ("no_response", 1)],
)
def test_a_create_whose_response_was_lost_is_made_once(
    face: Face, shop: Shop, keeper: Keeper, name: str, arrived: int
) -> None:
    """It is sent again under its key, and there is exactly one invoice."""

    async def work() -> None:
        faulty = fault([name], "httpx")
        async with face.client(keeper.url, transport=faulty, retry=AT_ONCE) as client:
            shop.owe()
            invoice = await done(client.create(Draft(counterparty=shop.customer)))
            keys = [each.key for each in keeper.posts()]

            assert [invoice.id] == [row.id for row in await listed(client.list(of(shop)))]
            assert keys[0] is not None
            assert [keys[0]] * arrived == keys

    face.run(work)


def test_a_key_of_another_create_is_refused(face: Face, shop: Shop, keeper: Keeper) -> None:
    """Stripe compares the parameters; its words say that the key is at fault."""

    async def work() -> None:
        async with face.client(keeper.url) as client:
            shop.owe()
            await done(client.create(Draft(counterparty=shop.customer), key="order-7"))
            other = Draft(counterparty=shop.customer, fields={"order": "8"})

            with pytest.raises(errors.InvalidRequestError, match="another request's key"):
                await done(client.create(other, key="order-7"))

    face.run(work)


def test_localstripe_itself_keeps_no_keys(face: Face, shop: Shop) -> None:
    """This is why there is a keeper in front of it; once this fails, the keeper may go."""

    async def work() -> None:
        async with face.client(f"http://127.0.0.1:{shop.port}") as client:
            ids = set()
            for _ in range(2):
                shop.owe()
                draft = Draft(counterparty=shop.customer)
                ids.add((await done(client.create(draft, key="order-7"))).id)

            assert 2 == len(ids)

    face.run(work)


def test_a_list_is_walked_by_cursors(face: Face, shop: Shop, keeper: Keeper) -> None:
    """Each page begins behind the last row of the page before; nothing is lost or doubled."""

    async def work() -> None:
        async with face.client(keeper.url) as client:
            made = []
            for number in range(5):
                shop.owe(100 + number)
                made.append((await done(client.create(Draft(counterparty=shop.customer)))).id)
            pager = client.list(of(shop), page_size=2)
            rows = await listed(pager)
            whole = client.list(of(shop))
            await listed(whole)

            asked = [each.path.partition("limit=2")[2] for each in keeper.heard[-4:-1]]
            second, fourth = rows[1].id, rows[3].id
            assert sorted(made) == sorted(row.id for row in rows)
            assert ["", f"&starting_after={second}", f"&starting_after={fourth}"] == asked
            assert (3, 5, 0, False) == (
                pager.report.pages, pager.report.rows, pager.report.repeated,
                pager.report.complete,
            )  # fmt: skip
            assert (1, True) == (whole.report.pages, whole.report.complete)

    face.run(work)


def test_an_invoice_is_read_as_it_was_created(face: Face, shop: Shop, keeper: Keeper) -> None:
    """Both responses are the same invoice, with exact amounts and its lines."""

    async def work() -> None:
        async with face.client(keeper.url) as client:
            shop.owe(1250)
            created = await done(client.create(Draft(counterparty=shop.customer)))
            read = await done(client.get(created.id))

            assert created == read
            assert ("draft", shop.customer) == (read.status, read.counterparty.id)
            # The plan's 10.00 and the item's 12.50.
            assert Money.of("22.50", "EUR") == read.total == read.amount_due
            assert [Money(1000, "EUR"), Money(1250, "EUR")] == [each.total for each in read.lines]

    face.run(work)


def test_an_update_changes_what_it_names(face: Face, shop: Shop, keeper: Keeper) -> None:
    """Metadata is merged; each update has a key of its own."""

    async def work() -> None:
        async with face.client(keeper.url) as client:
            shop.owe()
            invoice = await done(client.create(Draft(counterparty=shop.customer)))
            await done(client.update(invoice.id, Changes(fields={"order": "7"})))
            after = await done(client.update(invoice.id, Changes(fields={"é": "a&b=c"})))

            assert (CustomField("order", "7"), CustomField("é", "a&b=c")) == after.fields
            assert 3 == len({each.key for each in keeper.posts()})

    face.run(work)


def test_an_open_invoice_is_voided_once(face: Face, shop: Shop, keeper: Keeper) -> None:
    """Though the response was lost: the act is repeated under its key and not done twice."""

    async def work() -> None:
        faulty = fault([None, "response_lost"], "httpx")
        async with face.client(keeper.url, transport=faulty, retry=AT_ONCE) as client:
            shop.owe()
            invoice = await done(client.create(Draft(counterparty=shop.customer)))
            assert "open" == shop.post(f"invoices/{invoice.id}/pay")["status"]
            voided = await done(client.void(invoice.id))

            assert (invoice.id, "void") == (voided.id, voided.status)
            path = f"/v1/invoices/{invoice.id}/void"
            assert [path] * 2 == [each.path for each in keeper.posts()[1:]]
            assert [path] == [each.path for each in keeper.passed_on if each.path == path]

    face.run(work)


def test_finalize_is_asked_for_as_documented(face: Face, shop: Shop, keeper: Keeper) -> None:
    """Localstripe has no such path, so that its 404 is what comes back."""

    async def work() -> None:
        async with face.client(keeper.url) as client:
            shop.owe()
            invoice = await done(client.create(Draft(counterparty=shop.customer)))
            with pytest.raises(errors.NotFoundError):
                await done(client.finalize(invoice.id))

            last = keeper.posts()[-1]
            assert (f"/v1/invoices/{invoice.id}/finalize", b"") == (last.path, last.body)
            assert last.key

    face.run(work)


def test_no_invoice_and_no_entry_are_told_apart(face: Face, shop: Shop, keeper: Keeper) -> None:
    """One error for an id that is not there, another for a secret key that is none."""

    async def work() -> None:
        async with face.client(keeper.url) as client:
            with pytest.raises(errors.NotFoundError, match="Not Found"):
                await done(client.get("in_0"))
        async with face.client(keeper.url, token="nobody") as client:
            with pytest.raises(errors.AuthenticationError, match="Unauthorized"):
                await done(client.get("in_0"))

    face.run(work)


def test_a_refused_change_changes_nothing(face: Face, shop: Shop, keeper: Keeper) -> None:
    """Localstripe knows no number on an invoice; its no is told."""

    async def work() -> None:
        async with face.client(keeper.url) as client:
            shop.owe()
            invoice = await done(client.create(Draft(counterparty=shop.customer)))
            with pytest.raises(errors.InvalidRequestError, match="Bad request"):
                await done(client.update(invoice.id, Changes(number="N-1")))

            assert invoice == await done(client.get(invoice.id))

    face.run(work)
