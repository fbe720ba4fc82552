// The page's connection: the relay's own client, /client.js, and how it stands in plain words.

import { RELAY } from "./address.js";

const CHANNELS = ["leaderboard:updates", "match:events"];
const INBOX = "player:notifications"; // no history: it names its user
const MOST_EVENTS = 1000; // `history_size` in relay.toml
const RETRY_MS = 2000;
const SHOW_EACH_MS = 200;

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Relay {
  #address;
  #tell;
  #turn = 0; // counts the calls of connect: the last one is meant
  #client = null;
  #subscriptions = [];
  #trouble = null; // why the page is stale: {why, since, retryAt, isOver}
  #library = null; // a promise

  // `tell` is an object of functions: event(event), gap(gap), state(state, words); state is connecting, live, stale or away.
  constructor(address, tell) {
    this.#address = address || RELAY;
    this.#tell = tell;
    setInterval(() => this.#show(), SHOW_EACH_MS);
  }

  // How far each channel was read; null before the first connection.
  get positions() {
    if (!this.#client) return null;
    return Object.fromEntries(this.#subscriptions.map(({ channel, position }) => [channel, position]));
  }

  // Connects as a user, "" for nobody, and goes on from positions, or from where the connection before was.
  async connect(user, positions) {
    const turn = ++this.#turn;
    this.#library ??= this.#load();
    const PulseClient = await this.#library;
    if (turn !== this.#turn) return;
    const since = this.positions ?? positions;
    this.#client?.close();
    const address = new URL(this.#address);
    if (user) address.searchParams.set("user", user);
    const client = new PulseClient(address);
    this.#client = client;
    client.onState = (now) => client === this.#client && this.#changed(now);
    const follow = (channel) => client.subscribe(channel, {
      onEvent: this.#tell.event,
      onGap: this.#tell.gap,
      onEnd: ({ reason }) => this.#stale({ why: `${channel} has ended: ${reason}`, isOver: true }),
      since: since[channel] ?? null,
      last: MOST_EVENTS, // without a position: all that there is
    });
    this.#subscriptions = CHANNELS.map(follow);
    if (user) follow(INBOX);
  }

  // A page may be opened while the relay is away.
  async #load() {
    const address = new URL("/client.js", RELAY.replace(/^ws/, "http"));
    for (let attempt = 1; ; attempt += 1) {
      try {
        address.hash = attempt; // the relay does not see it; a browser may remember what failed
        return (await import(address)).PulseClient;
      } catch {
        this.#stale({ why: "the relay is away", retryAt: performance.now() + RETRY_MS });
        await wait(RETRY_MS);
      }
    }
  }

  #changed({ state, since, code, reason, retryMs }) {
    if (state === "connected" || state === "fresh") this.#trouble = null;
    else if (state === "stale") this.#stale({ why: "the relay is cut off from Redis", since });
    else if (state === "waiting") this.#stale({ why: "the relay is away", retryAt: performance.now() + retryMs });
    else if (state === "away") this.#stale({ why: `the relay said: ${reason || code}`, isOver: true });
    this.#show();
  }

  #stale(trouble) {
    this.#trouble = { since: this.#trouble?.since ?? Date.now(), retryAt: null, isOver: false, ...trouble };
    this.#show();
  }

  #show() {
    const trouble = this.#trouble;
    if (trouble) this.#tell.state(trouble.isOver ? "away" : "stale", wording(trouble));
    else if (!this.#client || this.#subscriptions.some(({ isLive }) => !isLive)) {
      this.#tell.state("connecting", `connecting to ${this.#address}`);
    } else this.#tell.state("live", `live: connected to ${this.#address}`);
  }
}

function wording({ why, since, retryAt, isOver }) {
  const words = `stale since ${new Date(since).toLocaleTimeString()}: ${why}`;
  if (isOver) return `${words}. Reload the page to try again`;
  if (retryAt === null) return words;
  return `${words}; reconnecting in ${Math.max(0, Math.ceil((retryAt - performance.now()) / 1000))} s`;
}
