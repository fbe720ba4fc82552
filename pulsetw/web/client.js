// A client of a pulsetw relay, in its native dialect: comes back by itself, gives each event once, or tells of a gap.
// How to use it: docs/how-to/listen.md. Types: client.d.ts.

const CONNECT_ID = 1;
const ALREADY_SUBSCRIBED = 105; // also for channels whose events come to their user without subscribing
const MAX_NAME = 200; // no relay makes a longer id or epoch: windows of ids are bounded in bytes
const MAX_WAIT_MS = 3_600_000;
const DEFAULT_PING_MS = 25_000;

const DEFAULTS = {
  token: "",
  firstWaitMs: 500, // the longest first wait before another try; it doubles
  maxWaitMs: 20_000, // the longest wait, where the relay does not ask for a longer one
  connectMs: 20_000, // from the try to connect to the end of the handshake
  pongMs: 10_000, // after our ping
  windowIds: 1000, // ids of given events that are remembered for each channel
  maxChannels: 1000,
  dice: Math.random,
};

const whole = (value) => (Number.isSafeInteger(value) && value >= 0 ? value : null);
const text = (value) => (typeof value === "string" ? value : "");
const staysAway = (code) => code >= 3500 && code < 4000;

function place(members) {
  const offset = whole(members?.offset);
  const epoch = text(members?.epoch);
  return offset === null || epoch === "" || epoch.length > MAX_NAME ? null : { offset, epoch };
}

const isBefore = (one, other) => one.epoch === other.epoch && one.offset <= other.offset;

function makeGap(channel, reason, from, to, reloadAfterMs = null) {
  const gap = { channel, reason };
  if (from) gap.from = from;
  if (to) gap.to = to;
  if (reloadAfterMs !== null) gap.reloadAfterMs = reloadAfterMs;
  return gap;
}

const gapOf = (channel, message) =>
  makeGap(channel, text(message.reason), place(message.from), place(message.to), whole(message.reloadAfterMs));

// One channel: how far it has read, and what it has been given.
class Following {
  #last;
  #windowIds;
  #wasLive = false;
  #ids = new Set(); // in the order of their coming

  constructor(channel, since, last, windowIds) {
    this.channel = channel;
    this.position = since; // null: no positions, or nothing is known yet
    this.#last = last;
    this.#windowIds = windowIds;
    this.failures = 0; // temporary errors in a row
    this.cut();
  }

  cut() {
    this.asked = null; // the id of the command whose answer is awaited
    this.retryMs = null; // when to ask again; null: not by itself
    this.isLive = false; // whether the relay has answered, on this connection
  }

  ask(id) {
    this.cut();
    this.asked = id;
    const command = { op: "subscribe", id, channel: this.channel };
    if (this.position) command.since = { ...this.position };
    else if (this.#last && !this.#wasLive) command.last = this.#last;
    return command;
  }

  // The gap, where something may be missing since the last time; null: nothing is.
  subscribed(answer) {
    const here = this.position;
    const at = place(answer);
    const isNew = !here && !this.#wasLive;
    this.cut();
    this.isLive = true;
    this.#wasLive = true;
    this.failures = 0;
    if (answer.recovered === true) {
      this.position = at ?? here;
      return null;
    }
    this.position = at;
    if (answer.recovered === false) return gapOf(this.channel, answer);
    return isNew ? null : makeGap(this.channel, "reconnected", here, at);
  }

  // Whether an event is to be given.
  takes(event) {
    const at = place(event);
    if (at) {
      if (this.position && isBefore(at, this.position)) return false;
      this.position = at;
    }
    return this.#isNew(text(event.id));
  }

  gap(message) {
    const gap = gapOf(this.channel, message);
    if (gap.to) this.position = gap.to;
    return gap;
  }

  moved(message) {
    const at = place(message);
    if (at && !(this.position && isBefore(at, this.position))) this.position = at;
  }

  #isNew(id) {
    if (id === "" || id.length > MAX_NAME) return true;
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > this.#windowIds) this.#ids.delete(this.#ids.values().next().value);
    return true;
  }
}

// A client without I/O: what happens goes in, what is to be done comes out, to be done in order. Its rules are those of
// pulsetw/client/state.py, its vectors tests/vectors/client.json. Times are milliseconds of any one clock.
export class ClientState {
  channels = new Map();
  #options;
  #phase = "closed"; // opening, open, waiting, away
  #nextId = CONNECT_ID + 1;
  #failures = 0;
  #greetedMs = null;
  #pingMs = DEFAULT_PING_MS;
  #heardMs = 0;
  #pingedMs = null;
  #waitUntilMs = 0;

  constructor(options = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  // When `tick` should be called; null: no time matters.
  get dueMs() {
    if (this.#phase === "waiting" || this.#phase === "opening") return this.#waitUntilMs;
    if (this.#phase !== "open") return null;
    const due = [this.#silenceEnds(), ...[...this.channels.values()].map((each) => each.retryMs)];
    const known = due.filter((each) => each !== null);
    return known.length ? Math.min(...known) : null;
  }

  start(nowMs) {
    return this.#phase === "closed" || this.#phase === "away" ? this.#open(nowMs) : [];
  }

  stop() {
    if (this.#phase === "closed") return [];
    const effects = this.#close();
    this.#phase = "closed";
    return [...effects, { state: { state: "closed" } }];
  }

  subscribe(nowMs, channel, since = null, last = 0) {
    if (this.channels.has(channel)) throw new Error(`already subscribed to ${channel}`);
    const most = this.#options.maxChannels;
    if (this.channels.size >= most) throw new Error(`expected at most ${most} channels`);
    this.channels.set(channel, new Following(channel, place(since), last, this.#options.windowIds));
    return this.#phase === "open" ? [this.#ask(this.channels.get(channel))] : [];
  }

  unsubscribe(nowMs, channel) {
    const following = this.channels.get(channel);
    this.channels.delete(channel);
    if (!following || this.#phase !== "open" || !(following.isLive || following.asked)) return [];
    return [{ send: { op: "unsubscribe", id: this.#nextId++, channel } }];
  }

  opened(nowMs) {
    if (this.#phase !== "opening") return [];
    this.#phase = "open";
    this.heard(nowMs);
    const connect = { op: "connect", id: CONNECT_ID };
    if (this.#options.token) connect.token = this.#options.token;
    return [{ send: connect }, ...[...this.channels.values()].map((each) => this.#ask(each))];
  }

  lost(nowMs, code = 0, reason = "") {
    if (this.#phase !== "opening" && this.#phase !== "open") return [];
    return this.#wait(nowMs, code, reason, !staysAway(code));
  }

  heard(nowMs) {
    this.#heardMs = nowMs;
    this.#pingedMs = null;
    return [];
  }

  // A message, as its JSON reads; null: it was none.
  message(nowMs, message) {
    if (this.#phase !== "open") return [];
    if (message === null || typeof message !== "object" || Array.isArray(message)) {
      return this.#giveUp(nowMs, "not a JSON object");
    }
    this.heard(nowMs);
    if (message.op === undefined || message.op === null) {
      return this.#live(message)?.takes(message) ? [{ event: message }] : [];
    }
    return this.#handlers.get(message.op)?.(nowMs, message) ?? [];
  }

  tick(nowMs) {
    const isLate = nowMs >= this.#waitUntilMs;
    if (this.#phase === "waiting" && isLate) return this.#open(nowMs);
    if (this.#phase === "opening" && isLate) return this.#giveUp(nowMs, "no connection");
    if (this.#phase !== "open") return [];
    const effects = [];
    const end = this.#silenceEnds();
    if (end !== null && nowMs >= end) {
      if (this.#pingedMs !== null) return this.#giveUp(nowMs, "silent");
      this.#pingedMs = nowMs;
      effects.push({ send: { op: "ping", id: this.#nextId++ } });
    }
    const late = [...this.channels.values()].filter((each) => each.retryMs !== null && nowMs >= each.retryMs);
    return [...effects, ...late.map((each) => this.#ask(each))];
  }

  #ask(following) {
    return { send: following.ask(this.#nextId++) };
  }

  #silenceEnds() {
    if (this.#pingMs === 0) return null;
    return this.#pingedMs === null ? this.#heardMs + this.#pingMs : this.#pingedMs + this.#options.pongMs;
  }

  #open(nowMs) {
    this.#phase = "opening";
    this.#waitUntilMs = nowMs + this.#options.connectMs;
    this.#nextId = CONNECT_ID + 1;
    return [{ state: { state: "connecting" } }, { open: true }];
  }

  #close() {
    for (const each of this.channels.values()) each.cut();
    return this.#phase === "opening" || this.#phase === "open" ? [{ close: true }] : [];
  }

  #giveUp(nowMs, reason) {
    return [...this.#close(), ...this.#wait(nowMs, 0, reason, true)];
  }

  #wait(nowMs, code, reason, reconnect, afterMs = 0) {
    this.#close();
    const stoodMs = this.#greetedMs === null ? 0 : nowMs - this.#greetedMs;
    this.#greetedMs = null;
    if (!reconnect) {
      this.#phase = "away";
      this.#failures = 0;
      return [{ state: { state: "away", code, reason } }];
    }
    // One that came and went at once was no success: else a relay that refuses late would be stormed.
    this.#failures = stoodMs >= this.#options.maxWaitMs ? 1 : this.#failures + 1;
    const retryMs = Math.max(this.#jitterMs(this.#failures), Math.min(afterMs, MAX_WAIT_MS));
    this.#phase = "waiting";
    this.#waitUntilMs = nowMs + retryMs;
    return [{ state: { state: "waiting", code, reason, retryMs } }];
  }

  #jitterMs(failures) {
    const { firstWaitMs, maxWaitMs, dice } = this.#options;
    return Math.floor(Math.min(maxWaitMs, firstWaitMs * 2 ** Math.min(failures - 1, 60)) * (1 - dice()));
  }

  #live(message) {
    const following = this.channels.get(text(message.channel));
    return following?.isLive ? following : null;
  }

  #asked({ id }) {
    if (whole(id) === null) return null;
    return [...this.channels.values()].find((each) => each.asked === id) ?? null;
  }

  #stands(following, answer) {
    const gap = following?.subscribed(answer) ?? null;
    return gap === null ? [] : [{ gap }];
  }

  // A subscription is over, for now or for good.
  #over(nowMs, following, message, reason) {
    following.cut();
    if (message.temporary === true) {
      following.failures += 1;
      following.retryMs = nowMs + this.#jitterMs(following.failures);
      return [];
    }
    this.channels.delete(following.channel);
    return [{ ended: { channel: following.channel, code: whole(message.code) ?? 0, reason } }];
  }

  #error(nowMs, message) {
    const code = whole(message.code) ?? 0;
    const words = text(message.message);
    if (message.id === CONNECT_ID) {
      return [...this.#close(), ...this.#wait(nowMs, code, words, message.temporary === true)];
    }
    const following = this.#asked(message);
    if (!following) return [];
    return code === ALREADY_SUBSCRIBED ? this.#stands(following, {}) : this.#over(nowMs, following, message, words);
  }

  #handlers = new Map(
    Object.entries({
      connected: (nowMs, message) => {
        const pingS = whole(message.pingS);
        this.#pingMs = pingS === null ? DEFAULT_PING_MS : Math.min(pingS * 1000, MAX_WAIT_MS);
        this.#greetedMs = nowMs;
        return [{ state: { state: "connected", client: text(message.client), user: text(message.user) } }];
      },
      subscribed: (nowMs, message) => this.#stands(this.#asked(message), message),
      unsubscribed: (nowMs, message) => {
        const following = this.#live(message);
        if (!following || (message.id ?? null) !== null) return [];
        return this.#over(nowMs, following, message, text(message.reason));
      },
      error: (nowMs, message) => this.#error(nowMs, message),
      gap: (nowMs, message) => {
        const following = this.#live(message);
        return following ? [{ gap: following.gap(message) }] : [];
      },
      position: (nowMs, message) => {
        this.#live(message)?.moved(message);
        return [];
      },
      stale: (nowMs, message) => [{ state: { state: "stale", since: whole(message.since) } }],
      fresh: () => [{ state: { state: "fresh" } }],
      disconnect: (nowMs, message) => {
        const code = whole(message.code) ?? 0;
        const reconnect = message.reconnect !== false && !staysAway(code);
        const afterMs = whole(message.reconnectAfterMs) ?? 0;
        return [...this.#close(), ...this.#wait(nowMs, code, text(message.reason), reconnect, afterMs)];
      },
    }),
  );
}

export class PulseClient {
  onState = null;
  #url;
  #state;
  #socket = null;
  #timer = null;
  #timerMs = null;
  #subscriptions = new Map();
  #effects = [];
  #isCarrying = false;
  #isClosed = false;

  constructor(url, options = {}) {
    this.#url = url;
    this.#state = new ClientState(options);
    // A turn later, so that `onState` and the first subscriptions are there.
    queueMicrotask(() => this.#isClosed || this.#does((nowMs) => this.#state.start(nowMs)));
  }

  subscribe(channel, { onEvent, onGap = null, onEnd = null, since = null, last = 0 }) {
    const state = this.#state;
    const effects = state.subscribe(performance.now(), channel, since, last);
    const following = state.channels.get(channel);
    const subscription = {
      channel,
      get position() {
        return following.position ? { ...following.position } : null;
      },
      get isLive() {
        return following.isLive;
      },
      unsubscribe: () => {
        if (state.channels.get(channel) !== following) return;
        this.#subscriptions.delete(channel);
        this.#does((nowMs) => state.unsubscribe(nowMs, channel));
      },
    };
    this.#subscriptions.set(channel, { onEvent, onGap, onEnd });
    this.#does(() => effects);
    return subscription;
  }

  close() {
    this.#isClosed = true;
    this.#does((nowMs) => this.#state.stop(nowMs));
  }

  #does(step) {
    this.#effects.push(...step(performance.now()));
    if (this.#isCarrying) return; // a callback did this: in its turn, behind what is being done
    this.#isCarrying = true;
    try {
      while (this.#effects.length) this.#carryOut(this.#effects.shift());
    } finally {
      this.#isCarrying = false;
    }
    this.#wake();
  }

  #carryOut({ open, close, send, event, gap, ended, state }) {
    if (open) this.#open();
    else if (close) this.#close();
    else if (send) this.#socket?.send(JSON.stringify(send));
    else if (event) this.#call(this.#subscriptions.get(event.channel)?.onEvent, event);
    else if (gap) this.#call(this.#subscriptions.get(gap.channel)?.onGap, gap);
    else if (state) this.#call(this.onState, state);
    else if (ended) {
      const subscription = this.#subscriptions.get(ended.channel);
      this.#subscriptions.delete(ended.channel);
      this.#call(subscription?.onEnd, ended);
    }
  }

  #call(callback, value) {
    try {
      callback?.(value);
    } catch (error) {
      console.error("a pulsetw callback failed", error);
    }
  }

  #open() {
    let socket;
    try {
      socket = new WebSocket(this.#url, "pulse.v1");
    } catch (error) {
      console.error(error); // a wrong address
      this.#does((nowMs) => this.#state.lost(nowMs, 0, String(error)));
      return;
    }
    this.#socket = socket;
    const ifCurrent = (step) => socket === this.#socket && this.#does(step);
    socket.onopen = () => ifCurrent((nowMs) => this.#state.opened(nowMs));
    socket.onmessage = ({ data }) => ifCurrent((nowMs) => this.#state.message(nowMs, parsed(data)));
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      this.#does((nowMs) => this.#state.lost(nowMs, code, reason));
    };
  }

  #close() {
    const socket = this.#socket;
    this.#socket = null; // first: what the old connection still says is not listened to
    socket?.close();
  }

  // One timer, moved only when something is due earlier: a message costs none.
  #wake() {
    const dueMs = this.#state.dueMs;
    if (dueMs === null) {
      clearTimeout(this.#timer);
      this.#timerMs = null;
    } else if (this.#timerMs === null || dueMs < this.#timerMs) {
      clearTimeout(this.#timer);
      this.#timerMs = dueMs;
      this.#timer = setTimeout(() => {
        this.#timerMs = null;
        this.#does((nowMs) => this.#state.tick(nowMs));
      }, Math.max(1, Math.ceil(dueMs - performance.now())));
    }
  }
}

function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
