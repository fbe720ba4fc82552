// What the page knows of the league: a snapshot, and the events since. Touches neither network nor page.

const FORM_LENGTH = 5;
const RECENT_MATCHES = 12;

// The ids of a league's own events say which run of it they come from, and count.
function numberOf(event) {
  const parts = /^league-([0-9a-f]+)-(\d+)(?::result)?$/.exec(event.id);
  return parts && { season: parts[1], seq: Number(parts[2]) };
}

export class Standings {
  season = "";
  players = new Map(); // by id
  matches = new Map(); // by id, in the order of their last change
  #seq = 0; // the snapshot's
  #applied = {}; // by channel: its last event since the snapshot

  // Begins again with a snapshot: the league's /league.json, or what `save` gave.
  load({ season, seq, applied = {}, players, matches }) {
    this.season = season;
    this.#seq = seq;
    this.#applied = { ...applied };
    this.players = new Map(players.map((player) => [player.id, player]));
    this.matches = new Map(matches.map((match) => [match.matchId, match]));
  }

  // All that is known, for `load`.
  save() {
    const [players, matches] = [[...this.players.values()], [...this.matches.values()]];
    return { season: this.season, seq: this.#seq, applied: this.#applied, players, matches };
  }

  // How many matches have been played.
  get played() {
    return [...this.players.values()].reduce((sum, { wins, draws, losses }) => sum + wins + draws + losses, 0) / 2;
  }

  // The run that an event comes from, where it is not the one that is shown; else "".
  foreignSeason(event) {
    const season = numberOf(event)?.season ?? this.season;
    return season === this.season ? "" : season;
  }

  // Takes an event; false where it does not fit to what is known, and a new snapshot is needed.
  apply(event) {
    const number = numberOf(event);
    if (number) {
      // The snapshot knows it already, or it came before: a channel's events are in order, two channels' are not.
      if (number.seq <= (this.#applied[event.channel] ?? this.#seq)) return true;
      this.#applied[event.channel] = number.seq;
    }
    switch (event.type) {
      case "leaderboard_update":
        return this.#move(event.data);
      case "match_created":
      case "match_started":
        this.#put(event.data, event.type.slice("match_".length));
        return true;
      case "match_completed":
        this.#put(event.data, "completed");
        this.#count(event.data);
        return true;
      default:
        return true; // a newer league's
    }
  }

  #move({ rankChanges, fullRefresh }) {
    if (fullRefresh) return false;
    for (const { playerId, oldRank, newRank, ratingChange } of rankChanges ?? []) {
      const player = this.players.get(playerId);
      if (player?.rank !== oldRank) return false;
      player.rank = newRank;
      player.rating += ratingChange;
    }
    return true;
  }

  #put(match, state) {
    this.matches.delete(match.matchId);
    this.matches.set(match.matchId, { ...match, state });
    const completed = [...this.matches.values()].filter((other) => other.state === "completed");
    if (completed.length > RECENT_MATCHES) this.matches.delete(completed[0].matchId);
  }

  #count({ player1Id, player2Id, winnerId }) {
    for (const id of [player1Id, player2Id]) {
      const player = this.players.get(id);
      if (!player) continue;
      const letter = !winnerId ? "D" : winnerId === id ? "W" : "L";
      player[{ W: "wins", D: "draws", L: "losses" }[letter]] += 1;
      player.form = (player.form + letter).slice(-FORM_LENGTH);
    }
  }
}
