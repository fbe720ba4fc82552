// A connection to a pulsetw relay, in its native dialect, that comes back by itself.

const FIRST_WAIT_S = 0.5;
const LONGEST_WAIT_S = 20;
const PONG_WITHIN_S = 10;

export class Relay {
  #address;
  #channels;
  #tell;
  #user = "";
  #socket = null;
  #failures = 0; // tries to connect in a row that came to nothing
  #missing; // channels that are not subscribed yet
  #goodbye; // the relay's `disconnect`, when it has said one
  #pingS;
  #silence; // timer: nothing was heard for long
  #wait; // timer: when to try again

  // `tell` is an object of functions: event(event) for each event, ready() when every subscription stands (again),
  // gap(message) when events were missed, state(state, words) with state one of connecting, connected, waiting, away.
  constructor(address, channels, tell) {
    this.#address = address;
    this.#channels = channels;
    this.#tell = tell;
  }

  // Connects as a user, "" for nobody; ends the connection there was.
  connect(user) {
    this.#leave();
    this.#user = user;
    this.#failures = 0;
    this.#open();
  }

  #open() {
    const address = new URL(this.#address);
    if (this.#user) address.searchParams.set("user", this.#user);
    this.#tell.state("connecting", `connecting to ${this.#address}`);
    this.#missing = new Set(this.#channels);
    this.#goodbye = null;
    this.#pingS = 25;
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.onopen = () => this.#greet();
    socket.onmessage = ({ data }) => socket === this.#socket && this.#heard(JSON.parse(data));
    socket.onclose = ({ code, reason }) => socket === this.#socket && this.#lost(code, reason);
    this.#listen();
  }

  // Commands may be sent without waiting for answers; the relay does them in their order.
  #greet() {
    this.#send({ op: "connect", id: 1 });
    this.#channels.forEach((channel, index) => this.#send({ op: "subscribe", id: index + 2, channel }));
  }

  #send(command) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(command));
  }

  #heard(message) {
    this.#listen();
    if (message.op === undefined) this.#tell.event(message);
    else this.#answers[message.op]?.(message); // an op that is not known is a newer relay's
  }

  #answers = {
    connected: ({ pingS }) => {
      this.#pingS = pingS;
    },
    subscribed: ({ channel }) => {
      this.#missing.delete(channel);
      if (this.#missing.size > 0) return;
      this.#failures = 0;
      this.#tell.state("connected", `connected to ${this.#address}`);
      this.#tell.ready();
    },
    unsubscribed: ({ channel, reason }) => this.#lost(0, `${channel} ended: ${reason}`),
    error: ({ message, temporary, channel }) => {
      this.#goodbye = { reconnect: temporary, reason: channel ? `${message} (${channel})` : message };
      this.#lost(0, message);
    },
    gap: (message) => this.#tell.gap(message),
    disconnect: (message) => {
      this.#goodbye = message;
    },
  };

  // A browser does not show the relay's WebSocket pings to the page: after a silence the page asks by itself.
  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#send({ op: "ping" });
      this.#silence = setTimeout(() => this.#lost(0, "the relay is silent"), PONG_WITHIN_S * 1000);
    }, this.#pingS * 1000);
  }

  #lost(code, reason) {
    this.#leave();
    const goodbye = this.#goodbye ?? { reconnect: code < 3500 || code >= 4000, reason };
    if (!goodbye.reconnect) {
      this.#tell.state("away", `the relay said: ${goodbye.reason || code}. Reload the page to try again`);
      return;
    }
    // Full jitter: after a relay's restart its clients do not come back all at once.
    const longestS = Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** this.#failures);
    this.#failures += 1;
    this.#openAt(Date.now() + (goodbye.reconnectAfterMs ?? Math.random() * longestS * 1000));
  }

  #openAt(time) {
    const left = time - Date.now();
    if (left <= 0) {
      this.#open();
      return;
    }
    this.#tell.state("waiting", `reconnecting in ${Math.ceil(left / 1000)} s`);
    this.#wait = setTimeout(() => this.#openAt(time), left % 1000 || 1000);
  }

  #leave() {
    clearTimeout(this.#silence);
    clearTimeout(this.#wait);
    const socket = this.#socket;
    this.#socket = null; // first: what the old connection still says is not listened to
    socket?.close();
  }
}
