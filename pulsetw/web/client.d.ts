/** A place in a channel's log, as the relay says it; the epoch is opaque. */
export interface Position {
  offset: number;
  epoch: string;
}

export interface PulseEvent<Data = unknown> {
  type: string;
  channel: string;
  /** Milliseconds since 1970. */
  timestamp: number;
  serverId: string;
  id: string;
  data: Data;
  tags?: Record<string, string>;
  /** With `epoch`, where the channel keeps a history. */
  offset?: number;
  epoch?: string;
  /** The relay is cut from its broker: the event may come once more elsewhere, with the same id. */
  degraded?: boolean;
}

/** Events of a channel may be missing: load your state again. */
export interface Gap {
  channel: string;
  /** What the relay says, or "reconnected": the connection was renewed, and the channel keeps no history. */
  reason: string;
  from?: Position;
  to?: Position;
  /** Wait so long before you load, so that not all clients do at once. */
  reloadAfterMs?: number;
}

/** A subscription is over, and does not come back by itself. */
export interface Ended {
  channel: string;
  code: number;
  reason: string;
}

export type State =
  | { state: "connecting" | "fresh" | "closed" }
  | { state: "connected"; client: string; user: string }
  /** The relay is cut from its broker; `since` in milliseconds since 1970. */
  | { state: "stale"; since: number | null }
  | { state: "waiting"; code: number; reason: string; retryMs: number }
  /** The relay wants no other try. */
  | { state: "away"; code: number; reason: string };

export interface Options {
  /** Says who the client is; "" = nobody. */
  token?: string;
  /** The longest first wait before another try, in milliseconds; it doubles. Default 500. */
  firstWaitMs?: number;
  /** The longest wait, where the relay does not ask for a longer one. Default 20 000. */
  maxWaitMs?: number;
  /** From the try to connect to the end of the handshake. Default 20 000. */
  connectMs?: number;
  /** How long a silent relay has for the answer to a ping. Default 10 000. */
  pongMs?: number;
  /** Ids of given events that are remembered for each channel. Default 1000. */
  windowIds?: number;
  /** Subscriptions at a time. Default 1000. */
  maxChannels?: number;
  /** Gives a random number from 0 to 1. */
  dice?: () => number;
}

export interface SubscribeOptions<Data = unknown> {
  onEvent: (event: PulseEvent<Data>) => void;
  onGap?: ((gap: Gap) => void) | null;
  onEnd?: ((ended: Ended) => void) | null;
  /** Where you stand: what came after it comes, too, or a gap. */
  since?: Position | null;
  /** So many of the newest events come first; counts only without `since`. */
  last?: number;
}

export interface Subscription {
  readonly channel: string;
  /** How far it has read; null = the channel keeps no history, or nothing is known yet. */
  readonly position: Position | null;
  /** Whether the relay has answered, on this connection. */
  readonly isLive: boolean;
  unsubscribe(): void;
}

/** Connects at once, and comes back by itself, until `close`. */
export class PulseClient {
  constructor(url: string | URL, options?: Options);
  onState: ((state: State) => void) | null;
  /** Throws where the channel is subscribed to already, or there are too many. */
  subscribe<Data = unknown>(channel: string, options: SubscribeOptions<Data>): Subscription;
  close(): void;
}

export type Effect =
  | { open: true }
  | { close: true }
  | { send: Record<string, unknown> }
  | { event: PulseEvent }
  | { gap: Gap }
  | { ended: Ended }
  | { state: State };

/** A client without I/O, for tests of your own: what happens goes in, what is to be done comes out. */
export class ClientState {
  constructor(options?: Options);
  /** When `tick` should be called; null = no time matters. */
  readonly dueMs: number | null;
  start(nowMs: number): Effect[];
  stop(): Effect[];
  subscribe(nowMs: number, channel: string, since?: Position | null, last?: number): Effect[];
  unsubscribe(nowMs: number, channel: string): Effect[];
  opened(nowMs: number): Effect[];
  lost(nowMs: number, code?: number, reason?: string): Effect[];
  heard(nowMs: number): Effect[];
  message(nowMs: number, message: unknown): Effect[];
  tick(nowMs: number): Effect[];
}
