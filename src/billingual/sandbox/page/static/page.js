"use strict";

// All that comes from the wire goes into the page as text, never as HTML.

const MAX_ROWS = 200;
const LONG = 1000000;
const byId = (id) => document.getElementById(id);
const exchanges = new Map();
let opened = null;
let faults = [];
let writes = null;
let shownDay = null;
let invoiceTexts = null;

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  // Where there is no room a row is laid out as a grid, which would cost it its role.
  if (tag === "tr") element.setAttribute("role", "row");
  if (tag === "td") element.setAttribute("role", "cell");
  return element;
}

let silence;
function say(text) {
  byId("said").textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => { byId("said").textContent = ""; }, 4000);
}

async function ask(method, path, body) {
  const options = { method, headers: { "Content-Type": "application/json" } };
  if (body !== undefined) options.body = JSON.stringify(body);
  const response = await fetch(path, options);
  const record = await response.json();
  if (!response.ok) throw new Error(record.error);
  return record;
}

const act = (work) => async (event) => {
  try {
    await work(event);
  } catch (error) {
    say(error.message);
  }
};

// Requests

function seconds(value) {
  if (value === null) return "…";
  return value < 1 ? `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms` : `${value.toFixed(1)} s`;
}

function statusTag(exchange) {
  if (exchange.cut) return make("span", "tag bad", exchange.status === null ? "cut" : `${exchange.status}, cut`);
  if (exchange.status === null) return make("span", "tag", exchange.seconds === null ? "under way" : "none");
  const kind = exchange.status < 300 ? "good" : exchange.status < 400 ? "" : exchange.status < 500 ? "warn" : "bad";
  return make("span", `tag ${kind}`, String(exchange.status));
}

function happenings(exchange) {
  const tags = [];
  if (exchange.attempt > 1) tags.push(make("span", "tag", `attempt ${exchange.attempt}`));
  if (exchange.fault) tags.push(make("span", "tag bad", `fault ${exchange.fault}`));
  else if (exchange.rule) tags.push(make("span", "tag warn", exchange.rule));
  return tags;
}

function requestRow(exchange) {
  const row = make("tr");
  row.dataset.number = exchange.number;
  const button = make("button");
  button.type = "button";
  button.append(make("b", "", exchange.method), make("span", "", exchange.target));
  // The button is for the keyboard; a mouse may click anywhere in the row.
  row.addEventListener("click", act(() => open(exchange.number)));
  const cells = [make("td"), make("td"), make("td", "number", seconds(exchange.seconds)), make("td")];
  cells[0].append(button);
  cells[1].append(statusTag(exchange));
  cells[3].append(...happenings(exchange));
  row.append(...cells);
  if (exchange.number === opened) row.setAttribute("aria-current", "true");
  return row;
}

function takeExchanges(news, first) {
  const rows = byId("request-rows");
  const added = [];
  for (const number of exchanges.keys()) {
    if (number < first) {
      exchanges.delete(number);
      rows.querySelector(`[data-number="${number}"]`)?.remove();
    }
  }
  for (const exchange of news.slice(-MAX_ROWS)) {
    const old = rows.querySelector(`[data-number="${exchange.number}"]`);
    const row = requestRow(exchange);
    if (old) {
      const hadFocus = old.contains(document.activeElement);
      old.replaceWith(row);
      if (hadFocus) row.querySelector("button").focus();
    } else {
      row.classList.add("new");
      rows.prepend(row);
    }
    const before = exchanges.get(exchange.number);
    exchanges.set(exchange.number, exchange);
    if (exchange.seconds !== null && (!before || before.seconds === null)) added.push(exchange);
    if (exchange.number === opened) show(exchange.number).catch(() => {});
  }
  byId("no-requests").hidden = exchanges.size > 0;
  byId("requests-count").textContent = exchanges.size ? `the last ${exchanges.size}` : "";
  return added;
}

let waiting = [];
let announcing;
function announce(added) {
  waiting.push(...added);
  if (!waiting.length || announcing) return;
  // Once a second: a reader cannot follow more.
  announcing = setTimeout(() => {
    const one = waiting[0];
    byId("news").textContent = waiting.length > 1
      ? `${waiting.length} new requests`
      : `${one.method} ${one.target}: ${one.status ?? "no status"}${one.fault ? `, fault ${one.fault}` : ""}`;
    waiting = [];
    announcing = undefined;
  }, 1000);
}

function side(id, line, part) {
  const place = byId(id);
  place.replaceChildren(place.firstElementChild, make("p", "mono", line));
  const list = make("dl");
  for (const [name, value] of part.headers) list.append(make("dt", "", name), make("dd", "", value));
  place.append(list);
  if (part.body) {
    const body = make("pre", "", part.body);
    body.tabIndex = 0;
    body.setAttribute("aria-label", `Body of the ${place.firstElementChild.textContent.toLowerCase()}`);
    place.append(body);
  }
}

async function show(number) {
  const found = await ask("GET", `/_sandbox/page/exchanges/${number}`);
  if (number !== opened) return;
  byId("detail-title").textContent = `${found.method} ${found.target.split("?")[0]}`;
  byId("detail-facts").replaceChildren(statusTag(found), ...happenings(found), make("span", "count", seconds(found.seconds)));
  side("request-side", found.request.line, found.request);
  const cut = found.cut ? "the connection was cut" : "";
  side("response-side", [found.response.line, cut].filter(Boolean).join(", ") || "no response yet", found.response);
  for (const each of byId("detail").querySelectorAll("[data-snippet]")) {
    each.textContent = found.snippets[each.dataset.snippet];
  }
}

async function open(number) {
  mark(number);
  await show(number);
  for (const each of byId("detail").querySelectorAll("[data-snippet]")) each.hidden = true;
  byId("detail").hidden = false;
  byId("detail").scrollTop = 0;
  byId("detail-title").focus();
  byId("detail").scrollIntoView({ block: "nearest" });
}

function close() {
  if (opened === null) return;
  const button = document.querySelector(`[data-number="${opened}"] button`);
  mark(null);
  byId("detail").hidden = true;
  (button ?? byId("requests")).focus();
}

function mark(number) {
  opened = number;
  for (const row of byId("request-rows").children) {
    if (row.dataset.number === String(number)) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

// Copies

async function copy(event) {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const group = button.closest("[data-snippets]");
  let chosen;
  for (const each of group.querySelectorAll("[data-snippet]")) {
    each.hidden = each.dataset.snippet !== button.dataset.copy;
    if (!each.hidden) chosen = each;
  }
  try {
    await navigator.clipboard.writeText(chosen.textContent);
    say(`Copied as ${button.textContent}`);
  } catch {
    // Another host than this one has no clipboard without HTTPS.
    getSelection().selectAllChildren(chosen);
    say("Selected; press Ctrl+C");
  }
}

// Faults and the clock

function takeFaults(pending) {
  faults = pending;
  for (const item of document.querySelectorAll(".fault")) {
    const own = pending.filter((fault) => fault.kind === item.dataset.kind);
    const left = own.reduce((sum, fault) => sum + fault.times, 0);
    item.querySelector("button").setAttribute("aria-checked", String(own.length > 0));
    const whose = own[0] ? [own[0].provider, own[0].method].filter(Boolean).join(" ") : "";
    const count = left > LONG / 2 ? "all requests" : left === 1 ? "the next request" : `the next ${left}`;
    item.querySelector(".left").textContent = left ? [count, whose].filter(Boolean).join(", ") : "";
  }
}

async function toggle(item) {
  const kind = item.dataset.kind;
  if (faults.some((fault) => fault.kind === kind)) {
    takeFaults((await ask("DELETE", `/_sandbox/faults?kind=${kind}`)).faults);
    return;
  }
  const fault = { kind, times: Number(byId("fault-times").value) };
  for (const name of ["provider", "method"]) {
    const value = byId(`fault-${name}`).value;
    if (value) fault[name] = value;
  }
  for (const field of item.querySelectorAll("[data-field]")) {
    const name = field.dataset.field;
    if (field.type === "checkbox") fault[name] = field.checked;
    else if (field.type === "number") fault[name] = field.valueAsNumber;
    else fault[name] = name === "retry_after" && !field.value ? null : field.value;
  }
  takeFaults((await ask("POST", "/_sandbox/faults", fault)).faults);
}

function takeClock(now, frozen) {
  byId("now").dateTime = now;
  byId("now").textContent = now.replace("T", " ").replace("Z", " UTC");
  byId("running").setAttribute("aria-checked", String(!frozen));
}

const moveClock = async (change) => {
  const clock = await ask("POST", "/_sandbox/clock", change);
  takeClock(clock.now.replace(/\.\d+/, ""), clock.frozen);
};

// Invoices

let asked = 0;
async function loadInvoices() {
  const provider = document.querySelector("[name=provider]:checked").value;
  const search = byId("search").value.trim();
  const mine = ++asked;
  const found = await ask("GET", `/_sandbox/page/invoices?${new URLSearchParams({ provider, search })}`);
  if (mine !== asked) return;
  const list = `${provider} ${search}`;
  const before = invoiceTexts?.list === list ? invoiceTexts.texts : null;
  const texts = new Map();
  const rows = found.rows.map((invoice) => {
    const text = JSON.stringify(invoice);
    texts.set(invoice.id, text);
    const row = make("tr", before && before.get(invoice.id) !== text ? "new" : "");
    const status = make("td");
    if (invoice.status) status.append(make("span", "tag", invoice.status));
    const name = make("td", "name", invoice.number);
    name.title = invoice.number;
    row.append(
      name, status, make("td", "number", invoice.total),
      make("td", "due", invoice.due.slice(0, 10)), make("td", "id", invoice.id),
    );
    return row;
  });
  invoiceTexts = { list, texts };
  byId("invoice-rows").replaceChildren(...rows);
  byId("no-invoices").hidden = rows.length > 0;
  byId("invoices-count").textContent = found.count > rows.length
    ? `The last changed ${rows.length} of ${found.count}` : `${found.count} in all`;
}

let pause;
function loadSoon(delay) {
  clearTimeout(pause);
  pause = setTimeout(act(loadInvoices), delay);
}

// The live stream. It is closed while the page is hidden: a browser has six connections.

let source = null;
let run = null;

function connection(className, text) {
  const place = byId("connection");
  if (place.className === className) return;
  place.className = className;
  place.querySelector(".text").textContent = text;
}

function listen() {
  if (source) return;
  let isFirst = true;
  source = new EventSource("/_sandbox/page/events");
  source.onopen = () => {
    connection("live", "Live");
    // What follows is all there is: the sandbox may be another one by now.
    isFirst = true;
    writes = null;
  };
  source.onerror = () => connection("lost", "Connection lost; trying again");
  source.onmessage = (event) => {
    const news = JSON.parse(event.data);
    if (news.run) {
      if (run !== null && news.run !== run) close();
      run = news.run;
    }
    if (news.exchanges) {
      if (isFirst) {
        exchanges.clear();
        byId("request-rows").replaceChildren();
      }
      const added = takeExchanges(news.exchanges, news.first);
      if (!isFirst) announce(added);
      isFirst = false;
    }
    if (news.faults) takeFaults(news.faults);
    if (news.now) {
      takeClock(news.now, news.frozen);
      const day = news.now.slice(0, 10);
      if (news.writes !== writes || day !== shownDay) loadSoon(writes === null ? 0 : 250);
      writes = news.writes;
      shownDay = day;
    }
  };
}

function hush() {
  source?.close();
  source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? hush() : listen()));
document.addEventListener("click", act(copy));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") close();
});
byId("close").addEventListener("click", close);
byId("clear").addEventListener("click", act(() => ask("DELETE", "/_sandbox/requests")));
byId("reset").addEventListener("click", act(async () => {
  if (!confirm("Go back to the start? Invoices, clock, faults and requests are reset.")) return;
  await ask("POST", "/_sandbox/reset");
  say("The sandbox is as it was at the start");
}));
byId("no-faults").addEventListener("click", act(async () => takeFaults((await ask("DELETE", "/_sandbox/faults")).faults)));
byId("running").addEventListener("click", act((event) =>
  moveClock({ frozen: event.currentTarget.getAttribute("aria-checked") === "true" })));
for (const button of document.querySelectorAll("[data-advance]")) {
  button.addEventListener("click", act(() => moveClock({ advance_s: Number(button.dataset.advance) })));
}
for (const item of document.querySelectorAll(".fault")) {
  item.querySelector("button").addEventListener("click", act(() => toggle(item)));
}
for (const choice of document.querySelectorAll("[name=provider]")) {
  choice.addEventListener("change", () => loadSoon(0));
}
byId("search").addEventListener("input", () => loadSoon(150));
listen();
