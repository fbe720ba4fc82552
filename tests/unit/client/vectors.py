"""Runs one case of `tests/vectors/client.json` on the Python state machine."""

from typing import Any

from pulsetw.client.effects import Close, Effect, Ended, Give, Open, Send, State, Tell
from pulsetw.client.state import ClientOptions, ClientState
from pulsetw.model import Position


def wire_place(position: Position | None) -> dict[str, Any] | None:
    return None if position is None else {"offset": position.offset, "epoch": position.wire_epoch}


def _gap(effect: Tell) -> dict[str, Any]:
    gap = effect.gap
    members = {
        "channel": gap.channel,
        "reason": gap.notice.reason,
        "from": wire_place(gap.notice.start),
        "to": wire_place(gap.notice.end),
        "reloadAfterMs": gap.reload_after_ms,
    }
    return {name: value for name, value in members.items() if value is not None}


def _state(effect: State) -> dict[str, Any]:
    members = {"state": effect.state}
    if effect.state in ("waiting", "away"):
        members |= {"code": effect.code, "reason": effect.reason}
    if effect.state == "waiting":
        members |= {"retryMs": effect.retry_ms}
    if effect.state == "stale":
        members |= {"since": effect.since}
    if effect.state == "connected":
        members |= {"client": effect.client, "user": effect.user}
    return members


_SHOWN: dict[type, Any] = {
    Open: lambda effect: {"open": True},
    Close: lambda effect: {"close": True},
    Send: lambda effect: {"send": dict(effect.members)},
    Give: lambda effect: {"event": [effect.publication.channel, effect.publication.event.id]},
    Tell: lambda effect: {"gap": _gap(effect)},
    Ended: lambda effect: {"ended": {"channel": effect.channel, "code": effect.code, "reason": effect.reason}},
    State: lambda effect: {"state": _state(effect)},
}


def shown(effect: Effect) -> dict[str, Any]:
    """An effect as the vectors have it."""
    result: dict[str, Any] = _SHOWN[type(effect)](effect)
    return result


class Case:
    """A state machine that takes the steps of a case."""

    def __init__(self, case: dict[str, Any]) -> None:
        options = case.get("options", {})
        limits = ClientOptions(window_ids=options.get("windowIds", 1000))
        self.state = ClientState(limits, lambda: case.get("dice", 0.5), options.get("token", ""))

    def take(self, step: dict[str, Any]) -> dict[str, Any]:
        """What a step gives, when something is due after it, and where the channels that it names stand."""
        given = list(step.get("with", []))
        if step["do"] == "subscribe" and len(given) > 1 and given[1] is not None:
            given[1] = Position.from_wire(given[1]["offset"], given[1]["epoch"])
        effects = getattr(self.state, step["do"])(step["at"], *given) or []
        return {
            "gives": [shown(effect) for effect in effects],
            "due": None if self.state.due_ms is None else int(self.state.due_ms),
            "positions": {name: wire_place(each.position) for name, each in self.state.channels.items()},
        }
