// The page: what is asked of the server at its start, the connection, the forms of the methods, and the messages.

import { Connection, reasonOf } from "./connection.js";
import { Schemas, element } from "./forms.js";
import { Inspector } from "./inspect.js";

const SHOWN = 1_000; // messages; older ones go
const $ = (id) => document.getElementById(id);

let root = "";
let hubs = [];
let schemas = new Schemas({});
let connection = null;
const answers = new Map(); // how this page answers what the server calls, by target

const base = new URL(location.pathname.replace(/\/?$/, "/"), location.origin);
const inspector = new Inspector($("inspect"), () => ask("state"), notice);

async function ask(what) {
  const token = $("token").value;
  const answer = await fetch(new URL(what, base), { headers: token ? { authorization: `Bearer ${token}` } : {} });
  if (!answer.ok) throw new Error(answer.status === 403 ? await answer.text() : reasonOf(answer.status, ""));
  return answer.json();
}

function notice(text) {
  $("notice").hidden = !text;
  $("notice").textContent = text;
}

async function load() {
  try {
    const found = await ask("contract");
    root = found.root;
    hubs = Object.entries(found.contract.channels).map(([key, channel]) => ({ key, channel, document: found.contract }));
    schemas = new Schemas(found.contract.components.schemas);
    notice("");
  } catch (error) {
    notice(`The hubs cannot be listed: ${error.message}.`);
    return;
  }
  $("hub").replaceChildren(...hubs.map(({ channel }, index) => element("option", { value: String(index) }, `${channel.address} (${channel.title})`)));
  choose();
}

function choose() {
  const hub = hubs[$("hub").value];
  if (!hub) return;
  connection?.stop();
  $("address").value = new URL(root.replace(/\/$/, "") + hub.channel.address, location.origin).href;
  const operations = Object.values(hub.document.operations).filter((each) => each.channel.$ref === `#/channels/${hub.key}`);
  const read = (operation) => methodOf(operation, hub.channel);
  const methods = operations.filter((each) => each.action === "receive").map(read);
  const called = operations.filter((each) => each.action === "send").map(read);
  $("methods").replaceChildren(...(methods.length ? methods.map(method) : [element("p", { class: "quiet" }, "This hub has no methods.")]));
  answers.clear();
  const none = element("p", { class: "quiet" }, "It calls by name: whatever comes is listed under Messages.");
  $("answers").replaceChildren(...(called.length ? called.map(clientCall) : [none]));
}

function methodOf(operation, channel) {
  const message = (reference) => channel.messages[reference.$ref.split("/").pop()];
  const sent = message(operation.messages[0]);
  const schemasOfArguments = [...(sent.payload.items ?? [])];
  const parameters = operation["x-signalr"].parameters.map((each) =>
    "stream" in each ? { name: each.name, schema: each.stream, list: true, required: true } : { name: each.name, schema: schemasOfArguments.shift(), required: each.required ?? true },
  );
  const reply = operation.reply ? message(operation.reply.messages[0]).payload : undefined;
  const { kind, authorize } = operation["x-signalr"];
  return { name: sent.name, text: operation.description ?? "", parameters, reply, streams: kind === "stream", authorize };
}

function title({ name, parameters, reply, streams, authorize }) {
  const result = reply === undefined || reply.type === "null" ? "" : ` → ${streams ? "stream of " : ""}${schemas.name(reply)}`;
  const who = authorize ? `, needs ${authorize.join(" and ")}` : "";
  return element("summary", {}, `${name}(${parameters.map((each) => each.name).join(", ")})`, element("span", { class: "kind" }, result + who));
}

function method(about) {
  const fields = about.parameters.map((each) => schemas.field(each.name, each.schema, each));
  const stop = element("button", { type: "button", disabled: true }, "Stop");
  const go = element("button", { type: "submit", class: "strong" }, about.streams ? "Stream" : "Call");
  const form = element("form", { novalidate: "" }, about.text ? element("p", { class: "about" }, about.text) : undefined, ...fields.map((each) => each.element), element("div", { class: "actions" }, go, about.streams ? stop : undefined));
  const running = new Map();
  stop.addEventListener("click", () => {
    for (const [id, of] of running) of.cancel(id);
    running.clear();
    stop.disabled = true;
    log(about.name, "stopped", undefined, "quiet");
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = argumentsOf(fields);
    if (!given) return;
    if (!connection?.open) return notice("Connect first.");
    notice("");
    const of = connection;
    const id = of.call(about.name, given.args, { streams: about.streams, items: given.items, heard: (news) => hear(about, news, id, running, stop) });
    log(about.name, "called", [...given.args, ...given.items], "quiet");
    if (about.streams) {
      running.set(id, of);
      stop.disabled = false;
    }
  });
  return element("details", { "data-method": about.name }, title(about), form);
}

function hear(about, news, id, running, stop) {
  if (about.streams && !running.has(id)) return; // stopped: what was on its way is not shown
  if ("item" in news) return log(about.name, "item", news.item);
  running.delete(id);
  stop.disabled = !running.size;
  if (news.error !== undefined) log(about.name, "failed", news.error, "bad");
  else if (about.streams) log(about.name, "complete", undefined, "good");
  else log(about.name, "returned", news.result ?? null, "good");
}

// Positions count: what is left out must be behind everything that is given.
function argumentsOf(fields) {
  const read = fields.map((each) => ({ ...each, ...each.read() }));
  const wrong = read.find((each) => each.problem);
  if (wrong) {
    wrong.input.focus();
    return null;
  }
  const plain = read.filter((each) => !each.list);
  const last = plain.findLastIndex((each) => !each.missing);
  const hole = plain.slice(0, last + 1).find((each) => each.missing);
  if (hole) {
    notice(`${hole.name} is needed, because ${plain[last].name} behind it is given.`);
    return null;
  }
  return { args: plain.slice(0, last + 1).map((each) => each.value), items: read.filter((each) => each.list).map((each) => each.value) };
}

function clientCall(about) {
  if (about.reply === undefined) return element("details", {}, title(about), element("div", {}, element("p", { class: "about" }, about.text || "It is listed under Messages when it comes.")));
  const field = schemas.field("answer", about.reply.type === "null" ? {} : about.reply);
  answers.set(about.name.toLowerCase(), field);
  const text = element("p", { class: "about" }, about.text || "The server waits for an answer: this one.");
  return element("details", { "data-answer": about.name }, title(about), element("div", {}, text, field.element));
}

function called({ target, arguments: args, invocationId }) {
  log(target, "server", args);
  if (invocationId === undefined) return;
  const field = answers.get(target.toLowerCase());
  const read = field ? field.read() : { missing: true };
  const value = read.problem || read.missing ? null : read.value;
  connection.answer(invocationId, value);
  log(target, "answered", value, "quiet");
}

const WORDS = { called: "→ called", item: "← item", returned: "← result", complete: "← end", failed: "← error", server: "← server calls", answered: "→ answer", stopped: "→ stopped", state: "·" };

function log(name, what, value, kind = "") {
  const list = $("messages");
  const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 40;
  const time = element("time", {}, new Date().toLocaleTimeString([], { hour12: false }));
  const shown = value === undefined ? "" : what === "failed" || what === "state" ? ` ${value}` : ` ${JSON.stringify(value)}`;
  list.append(element("li", { class: kind, "data-kind": what }, time, `${WORDS[what]} `, element("strong", {}, name), element("code", {}, shown)));
  while (list.children.length > SHOWN) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function show(text, kind = "") {
  $("state").textContent = text;
  $("state").className = kind;
  const busy = Boolean(connection);
  $("connect").textContent = busy ? "Disconnect" : "Connect";
  for (const id of ["hub", "address", "transport"]) $(id).disabled = busy;
}

async function connect() {
  const made = new Connection($("address").value, $("transport").value, $("token").value, {
    called,
    closed: (reason) => {
      if (connection !== made) return;
      connection = null;
      show(reason ? `closed: ${reason}` : "not connected", reason ? "bad" : "");
      log("connection", "state", reason || "closed", "quiet");
    },
  });
  connection = made;
  show("connecting …");
  try {
    await made.start();
    made.open = true;
    show(`connected over ${$("transport").selectedOptions[0].textContent}`, "good");
    log("connection", "state", `open over ${$("transport").selectedOptions[0].textContent}`, "quiet");
  } catch (error) {
    made.stop(error.message);
  }
}

function select(name) {
  for (const each of ["try", "inspect"]) {
    const chosen = each === name;
    $(each).hidden = !chosen;
    $(`tab-${each}`).setAttribute("aria-selected", String(chosen));
    $(`tab-${each}`).tabIndex = chosen ? 0 : -1;
  }
  if (name === "inspect") inspector.start();
  else inspector.stop();
}

for (const name of ["try", "inspect"]) {
  const other = name === "try" ? "inspect" : "try";
  $(`tab-${name}`).addEventListener("click", () => select(name));
  $(`tab-${name}`).addEventListener("keydown", ({ key }) => {
    if (key !== "ArrowLeft" && key !== "ArrowRight") return;
    select(other);
    $(`tab-${other}`).focus();
  });
}
$("connection").addEventListener("submit", (event) => {
  event.preventDefault();
  notice("");
  if (connection) connection.stop();
  else connect();
});
$("access").addEventListener("submit", (event) => {
  event.preventDefault();
  notice("");
  load();
});
$("hub").addEventListener("change", choose);
$("clear").addEventListener("click", () => $("messages").replaceChildren());
addEventListener("pagehide", () => connection?.stop());
load();
