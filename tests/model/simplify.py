"""Merges states of the model that behave the same, which keeps the search small."""

from collections.abc import Iterable, Mapping

from model.state import CLAIMS, DUE, GONE, NEW, Order, Relay, Removal, Safeguards, State


def simplify(state: State, guards: Safeguards) -> State:
    """Return a state that behaves the same, without what can make no difference any more.

    - A claim that no replica holds is as good as a restored entry.
    - A claim that no version of the order carries any more is gone: no read shows it, and no removal that compares
      finds it.
    - The other claims are named in the order in which they were written.
    """
    held = {each.entry for holders in (state.relays, *state.removals) for each in holders}
    names: dict[str, str] = {}
    for order in (*state.orders, state.view, state.past):
        if order is not None and order.entry in CLAIMS and order.entry in held:
            names.setdefault(order.entry, CLAIMS[len(names)])
    return state._replace(
        orders=tuple([_rename(order, names) for order in state.orders]),
        view=_rename(state.view, names),
        past=_rename(state.past, names),
        relays=(_follow(state.relays[0], names), _follow(state.relays[1], names)),
        removals=(
            _useful(state.removals[0], state.orders, names, guards),
            _useful(state.removals[1], state.orders, names, guards),
        ),
    )


def _rename(order: Order | None, names: Mapping[str, str]) -> Order | None:
    if order is None or order.entry not in CLAIMS:
        return order
    return order._replace(entry=names.get(order.entry, DUE))


def _follow(relay: Relay, names: Mapping[str, str]) -> Relay:
    return relay._replace(entry=names.get(relay.entry, GONE)) if relay.entry in CLAIMS else relay


def _useful(
    removals: Iterable[Removal], orders: Iterable[Order | None], names: Mapping[str, str], guards: Safeguards
) -> tuple[Removal, ...]:
    useful = set()
    for removal in removals:
        if removal.entry == NEW:
            is_here = any(order is not None and (order.id, order.entry) == removal for order in orders)
            if is_here or not guards.removal_compares_due:
                useful.add(removal)
        elif removal.entry in names:
            useful.add(removal._replace(entry=names[removal.entry]))
        elif not guards.removal_compares_claim:
            useful.add(removal._replace(entry=GONE))
    return tuple(sorted(useful))
