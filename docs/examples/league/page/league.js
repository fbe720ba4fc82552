// The league's page: its table, its matches, and what one player is told.
//
// Whatever comes from outside goes into the page as text, never as markup.

import { keep, takeKept } from "./kept.js";
import { animate, List } from "./list.js";
import { Relay } from "./relay.js";
import { Standings } from "./standings.js";

const MOST_NOTIFICATIONS = 30;
const MOST_WAITING = 1000;
const RETRY_S = 2;

const standings = new Standings();
const strangers = new Set(); // runs of other leagues, which publish through the same relays
const waiting = []; // events that came while a snapshot was on its way
let loading = false;
let again = false;
let soon = 0; // timer
let positions = {}; // by channel: what the state that was loaded includes
let inbox = []; // the notifications that are shown

const find = (id) => document.getElementById(id);
const nameOf = (id) => standings.players.get(id)?.name ?? id;
const signed = (points) => (points > 0 ? `+${points}` : points < 0 ? `−${-points}` : "±0");
const fragment = (id) => `#${encodeURIComponent(id)}`;
const chosen = () => [...standings.players.keys()].find((id) => fragment(id) === location.hash) ?? "";

// --- events

function heard(event) {
  if (event.channel === "player:notifications") notified(event);
  else if (loading) waitFor(event);
  else if (standings.foreignSeason(event)) heardForeign(event);
  else if (standings.apply(event)) draw();
  else refreshSoon(Math.random() * 1000); // all pages notice at once; they do not ask at once
}

function waitFor(event) {
  waiting.push(event);
  if (waiting.length > MOST_WAITING) waiting.shift();
}

// Has our league begun anew, or is it another one? The first event of a run makes the page ask.
function heardForeign(event) {
  const season = standings.foreignSeason(event);
  if (strangers.has(season)) return;
  strangers.add(season);
  waitFor(event);
  refresh();
}

// Events may be missing: what is shown is not to be trusted, and not kept, until it has been loaded again.
function missed({ channel, reloadAfterMs }) {
  if (channel === "player:notifications") {
    missedNotifications();
    return;
  }
  doubt("some events were missed: loading it again");
  refreshSoon(reloadAfterMs ?? 0);
}

function doubt(words) {
  find("stale").hidden = !words;
  find("stale").textContent = words;
}

function refreshSoon(milliseconds) {
  soon ||= setTimeout(() => {
    soon = 0;
    refresh();
  }, milliseconds);
}

// Loads the league as it is. Events that come meanwhile are applied afterwards: none is lost, none counts twice.
async function refresh() {
  again = true;
  if (loading) return;
  loading = true;
  while (again) {
    again = false;
    const loaded = await load();
    doubt(loaded ? "" : "not up to date: the league does not answer");
    if (loaded) continue;
    again = true;
    await new Promise((resolve) => setTimeout(resolve, RETRY_S * 1000));
  }
  loading = false;
  strangers.delete(standings.season);
  waiting.splice(0).forEach(heard);
  draw();
}

async function load() {
  try {
    const response = await fetch("league.json");
    if (!response.ok) return false;
    const league = await response.json();
    standings.load(league);
    positions = league.positions;
    return true;
  } catch {
    return false; // the league is away, or was cut off
  }
}

// --- drawing

let drawing = 0;
const table = new List(find("table"), find("player-row"), drawPlayer);
const matches = new List(find("matches"), find("match-row"), drawMatch);

// However many events come, the page is drawn once a frame.
function draw() {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    const players = [...standings.players.values()].sort((one, other) => one.rank - other.rank);
    table.show(new Map(players.map((player) => [player.id, player])));
    const recent = [...standings.matches.values()].reverse();
    const order = recent.filter(isOpen).concat(recent.filter((match) => !isOpen(match)));
    matches.show(new Map(order.map((match) => [match.matchId, match])));
    find("played").textContent = `${standings.played} played`;
  });
}

function isOpen(match) {
  return match.state !== "completed";
}

function put(row, selector, text) {
  const element = row.querySelector(selector);
  if (element.textContent !== String(text)) element.textContent = text;
  return element;
}

function putChange(element, points) {
  element.textContent = points === undefined ? "" : signed(points);
  element.dataset.sign = Math.sign(points ?? 0);
}

function badge(element, id) {
  const hue = [...id].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  element.textContent = nameOf(id).slice(0, 1);
  element.style.setProperty("--hue", hue);
}

function drawPlayer(row, player) {
  put(row, ".rank", player.rank);
  put(row, ".name", player.name);
  badge(row.querySelector(".badge"), player.id);
  drawForm(row.querySelector(".form"), player.form);
  for (const count of ["wins", "draws", "losses"]) put(row, `.${count}`, player[count]);
  drawRating(row, player.rating);
  row.classList.toggle("chosen", player.id === chosen());
  row.classList.toggle("busy", [...standings.matches.values()].some((match) => isPlaying(match, player.id)));
}

function isPlaying(match, id) {
  return match.state === "started" && (match.player1Id === id || match.player2Id === id);
}

function drawForm(cell, form) {
  if (cell.dataset.form === form) return;
  cell.dataset.form = form;
  cell.replaceChildren(...[...form].map((letter) => pill(letter)));
}

function pill(letter) {
  const element = document.createElement("span");
  element.className = "pill";
  element.dataset.result = letter;
  element.textContent = letter;
  return element;
}

function drawRating(row, rating) {
  const shown = row.dataset.rating;
  row.dataset.rating = rating;
  put(row, ".value", rating);
  if (shown === undefined || Number(shown) === rating) return;
  const change = rating - Number(shown);
  putChange(row.querySelector(".change"), change);
  const colour = change > 0 ? "var(--up-flash)" : "var(--down-flash)";
  animate(row, [{ backgroundColor: colour }, { backgroundColor: colour, offset: 0.4 }, {}], 2000);
}

function drawMatch(row, match) {
  row.dataset.state = match.state;
  const [first, second] = row.querySelectorAll(".side");
  drawSide(first, match, match.player1Id);
  drawSide(second, match, match.player2Id);
  put(row, ".state", { created: "next", started: "playing" }[match.state] ?? score(match));
}

function score({ winnerId, player1Id }) {
  return !winnerId ? "½ – ½" : winnerId === player1Id ? "1 – 0" : "0 – 1";
}

function drawSide(side, match, id) {
  put(side, ".name", nameOf(id));
  side.classList.toggle("winner", match.winnerId === id);
  putChange(side.querySelector(".change"), match.ratingChanges?.[id]);
}

// --- one player's notifications

function notified(event) {
  const { type, timestamp, data } = event;
  if (strangers.has(standings.foreignSeason(event))) return;
  inbox = [...inbox, event].slice(-MOST_NOTIFICATIONS);
  const row = find("notification-row").content.firstElementChild.cloneNode(true);
  const outcome = { won: "W", draw: "D", lost: "L" }[data.metadata?.outcome];
  row.dataset.type = type;
  row.dataset.player = data.playerId;
  row.querySelector(".kind").append(outcome ? pill(outcome) : "★");
  put(row, ".words", wording(type, data));
  putChange(row.querySelector(".change"), data.metadata?.ratingChange);
  put(row, "time", new Date(timestamp).toLocaleTimeString());
  putNotification(row);
}

// They have no history: what came while nobody listened is not told again.
function missedNotifications() {
  if (find("notifications").firstElementChild?.dataset.type === "gap") return;
  const row = find("notification-row").content.firstElementChild.cloneNode(true);
  row.dataset.type = "gap";
  put(row, ".words", "some may be missing here: notifications have no history");
  putNotification(row);
}

function putNotification(row) {
  const list = find("notifications");
  list.prepend(row);
  animate(row, [{ opacity: 0, transform: "translateY(-0.6rem)" }, {}], 500);
  if (list.children.length > MOST_NOTIFICATIONS) list.lastElementChild.remove();
  drawQuiet();
}

// The relay makes match results by itself, and knows players by their ids; the page has their names.
function wording(type, { message, metadata }) {
  const verb = { won: "You beat", draw: "You drew with", lost: "You lost to" }[metadata?.outcome];
  return type === "match_result" && verb ? `${verb} ${nameOf(metadata.opponentId)}` : message;
}

function drawQuiet() {
  const quiet = find("quiet");
  quiet.hidden = find("notifications").children.length > 0;
  quiet.textContent = chosen()
    ? `Nothing for ${nameOf(chosen())} yet.`
    : "Choose a player: what the relay tells that player, and nobody else, appears here.";
}

function offerPlayers() {
  const players = [...standings.players.values()].sort((one, other) => one.name.localeCompare(other.name));
  find("player").append(...players.map((player) => new Option(player.name, player.id)));
}

// The choice stands in the address, so that it can be bookmarked; a new choice is a new connection.
function choose(earlier = []) {
  find("player").value = chosen();
  find("notifications").replaceChildren();
  inbox = [];
  earlier.forEach(notified);
  if (earlier.length > 0) missedNotifications();
  drawQuiet();
  draw();
  relay.connect(chosen(), positions);
}

function showState(state, words) {
  const element = find("connection");
  const text = state === "live" && chosen() ? `${words} as ${nameOf(chosen())}` : words;
  element.dataset.state = state;
  if (element.textContent !== text) element.textContent = text; // a screen reader reads each change
}

// --- the page's life

const relay = new Relay(new URLSearchParams(location.search).get("relay"), {
  event: heard,
  gap: missed,
  state: showState,
});

// A state that is not whole is not kept: the page then begins with a new one.
addEventListener("pagehide", () => {
  const isWhole = !loading && !soon;
  const reached = relay.positions ?? positions;
  keep(isWhole ? { league: standings.save(), positions: reached, player: chosen(), inbox } : null);
});

const kept = takeKept();
if (kept) {
  standings.load(kept.league);
  positions = kept.positions;
} else await refresh();
offerPlayers();
find("player").addEventListener("change", ({ target }) => {
  location.hash = fragment(target.value);
});
addEventListener("hashchange", () => choose());
choose(kept?.player === chosen() ? kept.inbox : []);
