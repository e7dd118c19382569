// What the server does: asked each second while it is looked at.

import { element } from "./forms.js";

const EVERY = 1_000;
const ROWS = 100;

export class Inspector {
  constructor(place, ask, notice) {
    Object.assign(this, { place, ask, notice });
  }

  start() {
    if (this.shown) return;
    this.shown = true;
    this.look();
  }

  stop() {
    this.shown = false;
    this.before = undefined;
    clearTimeout(this.timer);
  }

  async look() {
    try {
      const state = await this.ask();
      if (!this.shown) return;
      this.show(state, rates(this.before, state));
      this.before = state;
      this.notice("");
    } catch (error) {
      if (this.shown) this.notice(`The server cannot be inspected: ${error.message}.`);
    }
    if (this.shown) this.timer = setTimeout(() => this.look(), EVERY);
  }

  show(state, found) {
    const sum = (name) => state.processes.reduce((total, each) => total + each[name], 0);
    const figures = {
      state: state.processes.every((each) => each.ready) ? "ready" : "not ready",
      workers: state.processes.length > 1 ? state.processes.length : undefined,
      connections: number(state.connections.count),
      "messages in, a second": found ? number(found.receivedMessages) : "…",
      "messages out, a second": found ? number(found.writtenMessages) : "…",
      queued: bytes(sum("queuedBytes")),
      dropped: number(sum("droppedMessages")),
      "refused connections": number(sum("refused")),
      ...(state.backplane && { backplane: state.backplane.ready ? "in reach" : "out of reach", "gaps of the backplane": number(state.backplane.gaps) }),
    };
    const list = element("dl", { class: "figures" });
    for (const [name, value] of Object.entries(figures)) {
      if (value !== undefined) list.append(element("div", {}, element("dt", {}, name), element("dd", {}, String(value))));
    }
    const { hubs, connections, groups, runs } = state;
    const places = new Map([...this.place.querySelectorAll(".scrolls")].map((each) => [each.dataset.title, each.scrollLeft]));
    const focused = document.activeElement?.dataset.title;
    this.place.replaceChildren(
      list,
      table("Hubs", hubs, hubs.length, { path: (each) => each.paths.join(" "), name: (each) => each.name, "#connections": (each) => each.connections, "#groups": (each) => each.groups, "#users": (each) => each.users, "#streams": (each) => each.streams, "#waiting calls": (each) => each.waitingCalls }),
      table("Connections", connections.listed, connections.count, { id: (each) => each.id, hub: (each) => each.hub, user: (each) => each.user ?? "", transport: (each) => each.transport, "#age": (each) => age(each.age), "#queued": (each) => bytes(each.queuedBytes), groups: (each) => each.groups.join(" ") }),
      table("Groups", groups.listed, groups.count, { name: (each) => each.name, hub: (each) => each.hub, "#connections": (each) => each.connections }),
      table("Runs", runs.listed, runs.count, { id: (each) => each.id, state: (each) => each.state, room: (each) => each.room ?? "", starter: (each) => each.starter ?? "", started: (each) => each.startedAt, "#viewers": (each) => each.viewers }),
    );
    for (const each of this.place.querySelectorAll(".scrolls")) {
      // whoever reads at the right end of a table stays there
      each.scrollLeft = places.get(each.dataset.title) ?? 0;
      if (focused === each.dataset.title) each.focus({ preventScroll: true });
    }
  }
}

function table(title, rows, count, columns) {
  if (!rows.length) return element("p", { class: "quiet" }, `${title}: none.`);
  const shown = rows.slice(0, ROWS);
  const names = Object.keys(columns);
  const kind = (name) => (name.startsWith("#") ? { class: "number" } : {});
  const cells = (row) => names.map((name) => element("td", kind(name), typeof columns[name](row) === "number" ? number(columns[name](row)) : columns[name](row)));
  const caption = element("caption", {}, shown.length < count ? `${title}, ${shown.length} of ${number(count)}` : title);
  const head = element("thead", {}, element("tr", {}, ...names.map((name) => element("th", { scope: "col", ...kind(name) }, name.replace("#", "")))));
  const body = element("tbody", {}, ...shown.map((row) => element("tr", {}, ...cells(row))));
  return element("div", { class: "scrolls", tabindex: "0", "data-title": title }, element("table", {}, caption, head, body));
}

// Messages a second of the processes that are in both states.
export function rates(before, now) {
  if (!before) return undefined;
  const found = { receivedMessages: 0, writtenMessages: 0 };
  for (const each of now.processes) {
    const earlier = before.processes.find((one) => one.pid === each.pid);
    if (!earlier || each.time <= earlier.time) continue;
    for (const name of Object.keys(found)) found[name] += Math.max(each[name] - earlier[name], 0) / (each.time - earlier.time);
  }
  return found;
}

const number = (value) => value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
const age = (seconds) => (seconds < 120 ? `${Math.round(seconds)} s` : seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`);

function bytes(value) {
  const units = ["B", "KiB", "MiB"];
  let unit = 0;
  for (; value >= 1_024 && unit < units.length - 1; unit++) value /= 1_024;
  return `${number(Math.round(value))} ${units[unit]}`;
}
