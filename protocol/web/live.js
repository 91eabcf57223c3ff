"use strict";
// Each part of what the server sends is put where it belongs. Text is only ever set as text.
const by = (id) => document.getElementById(id);
const show = (id, shown = true) => { by(id).hidden = !shown; };
const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };

function make(name, attributes = {}, ...children) {
  const vector = ["svg", "line", "circle", "text", "polyline", "title"].includes(name);
  const found = vector ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  found.append(...children.filter((child) => child !== null));
  return found;
}

const count = (n) => n.toLocaleString("en");
function scaled(n, units) {
  let unit = 0;
  while (n >= 999.5 && unit < units.length - 1) { n /= 1000; unit += 1; }
  return `${unit ? n.toPrecision(3) : Math.round(n)} ${units[unit]}`;
}
const bytes = (n) => scaled(n, ["B", "kB", "MB", "GB", "TB"]);
const perSecond = (n) => scaled(n, ["B/s", "kB/s", "MB/s", "GB/s"]);
const digits = (x) => (x === null ? "not a number" : Number(x.toPrecision(5)).toString());
// as `wording.span` writes it
function span(s) {
  const minutes = Math.round(s / 60), whole = Math.round(s);
  if (whole >= 3600) return `${count(Math.floor(minutes / 60))} h ${minutes % 60} min`;
  if (whole >= 120) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const [unit, value] = s >= 1 || !s ? ["s", s] : s >= 1e-3 ? ["ms", 1e3 * s] : ["µs", 1e6 * s];
  return `${value >= 100 ? count(Math.round(value)) : Number(value.toPrecision(3))} ${unit}`;
}

const row = (heading, ...cells) => make("tr", {}, make("th", { scope: "row", ...heading[1] }, heading[0]), ...cells);
const number = (text) => make("td", { class: "number" }, text);
function barCell(part) {
  const inside = make("span");
  inside.style.width = `${100 * Math.min(1, Math.max(0, part))}%`;
  return make("td", { class: "wide" }, make("div", { class: "bar", "aria-hidden": "true" }, inside));
}

// ---- the parts ----------------------------------------------------------------------------------------------------

const seen = {};

function about(it) {
  put(by("title"), it.title);
  document.title = it.title;
  document.body.className = it.role;
}

function now(it) {
  put(by("status"), it.status);
  if (it.steps === undefined) return; // a dealer's
  show("progress", it.steps > 0);
  by("done").max = Math.max(1, it.steps);
  by("done").value = it.step;
  const words = [`${count(it.step)} of ${count(it.steps)} steps`];
  if (it.epoch) words.push(`epoch ${it.epoch[0]} of ${it.epoch[1]}`);
  if (it.pace.steps) words.push(`${count(Number(it.pace.steps.toPrecision(3)))} steps/s`, `${count(Math.round(it.pace.rounds))} rounds/s`);
  if (it.left) words.push(`about ${span(Math.max(1, Math.round(it.left)))} left`);
  put(by("pace"), words.join(" · "));
  whole(it);
  rounds();
}

function whole(it) {
  const waited = it.waited.peer + it.waited.material;
  const shares = [
    ["own", "this party's own work", Math.max(0, it.online - waited)],
    ["peer", `waiting for ${it.peer || "the other party"}`, it.waited.peer],
    ["material", "waiting for the dealer", it.waited.material],
  ];
  const total = shares.reduce((sum, [, , spent]) => sum + spent, 0);
  show("time", total > 0);
  if (!total) return;
  const texts = shares.map(([, name, spent]) => `${name}: ${span(spent)}, ${Math.round((100 * spent) / total)}%`);
  by("whole").setAttribute("aria-label", texts.join("; "));
  by("whole").replaceChildren(...shares.map(([kind, , spent]) => {
    const part = make("span", { class: kind });
    part.style.width = `${(100 * spent) / total}%`;
    return part;
  }));
  by("key").replaceChildren(...shares.map(([kind], n) => make("li", {}, make("i", { class: kind }), texts[n])));
}

function plan(it) {
  show("plan");
  by("phases").replaceChildren(...it.phases.filter((phase) => phase.times && (phase.rounds || phase.dealt)).map((phase) =>
    row([phase.name, {}], ...[phase.times, phase.rounds].map((n) => number(count(n))),
      ...[...phase.sent, phase.dealt].map((n) => number(bytes(n))))));
  by("reveals").replaceChildren(...it.reveals.map((line) => make("li", {}, line)));
  rounds();
}

function rounds() {
  if (!seen.plan || !seen.now) return;
  const spent = seen.now.by_round;
  const most = Math.max(...spent, 1e-9), mine = seen.about.role === "bob" ? 1 : 0;
  by("rounds").replaceChildren(...seen.plan.rounds.map((each, n) => row(
    [String(n + 1), { class: "number" }], make("td", {}, each.opens.join(", ") || "what is revealed"), number(bytes(each.sent[mine])),
    number(spent.length ? (1000 * spent[n]).toPrecision(3) : "–"), barCell(spent.length ? spent[n] / most : 0))));
}

// where the three stand, and what is said of each link; on a narrow window its letters would be too small to read
const NARROW = matchMedia("(max-width: 32rem)");
const WIDE_PLACES = { alice: [90, 190], bob: [550, 190], dealer: [320, 45], size: "0 0 640 250", words: [[320, 215], [110, 100], [530, 100]] };
const NARROW_PLACES = { alice: [50, 215], bob: [310, 215], dealer: [180, 45], size: "0 0 360 290", words: [[180, 238], [62, 82], [298, 82]] };
NARROW.addEventListener("change", () => { if (seen.links) links(seen.links); });

function links(it) {
  show("links");
  const places = NARROW.matches ? NARROW_PLACES : WIDE_PLACES;
  const ends = [["alice", "bob"], ["alice", "dealer"], ["bob", "dealer"]];
  const drawn = [], said = [];
  ends.forEach(([a, b], nth) => {
    const link = it.links.find((each) => [a, b].includes(each.ends[0]) && [a, b].includes(each.ends[1]));
    const [x1, y1] = places[a], [x2, y2] = places[b], [x, y] = places.words[nth];
    const state = link ? `${link.state}${link.rate > 0 ? " moving" : ""}` : "unseen";
    drawn.push(make("line", { x1, y1, x2, y2, class: `link ${state}` }));
    const moved = link ? [bytes(link.bytes), perSecond(link.rate)] : [];
    const words = link ? [link.state, ...(NARROW.matches ? moved : [moved.join(", ")])] : [a, b].includes(it.own) ? ["not there yet"] :
      NARROW.matches ? ["not seen", "from here"] : ["not seen from here"];
    words.forEach((line, n) => drawn.push(make("text", { x, y: y + 17 * n }, line)));
    said.push(`${a} and ${b}: ${words.join(", ")}`);
  });
  for (const name of ["alice", "bob", "dealer"]) {
    const [x, y] = places[name];
    drawn.push(make("circle", { cx: x, cy: y, r: 38, class: name + (name === it.own ? " ours" : "") }));
    drawn.push(make("text", { x, y: y + 5, class: "name" }, name));
  }
  by("picture").setAttribute("viewBox", places.size);
  by("picture").setAttribute("aria-label", said.join("; "));
  by("picture").replaceChildren(...drawn);
}

function curves(it) {
  const names = Object.keys(it);
  show("curves", names.length > 0);
  by("graphs").replaceChildren(...names.map((name, nth) => {
    const { steps, values } = it[name];
    const known = values.filter((value) => value !== null);
    const low = Math.min(...known), high = Math.max(...known), width = Math.max(1, steps[steps.length - 1] - steps[0]);
    const points = values.flatMap((value, n) => value === null ? [] :
      [`${(300 * (steps[n] - steps[0])) / width},${90 - (80 * (value - low)) / (high - low || 1)}`]);
    const last = digits(values[values.length - 1]);
    const label = `${name}: ${last} after step ${count(steps[steps.length - 1])}; lowest ${digits(low)}, highest ${digits(high)}`;
    const svg = make("svg", { viewBox: "0 0 300 100", preserveAspectRatio: "none", role: "img", "aria-label": label },
      make("polyline", { class: "curve", points: points.length > 1 ? points.join(" ") : `0,50 300,50` }));
    return make("figure", { class: `c${nth % 6}` }, make("figcaption", {}, make("span", {}, name), make("b", {}, last)), svg,
      make("p", { class: "quiet small" }, `after steps ${count(steps[0])} to ${count(steps[steps.length - 1])}; between ${digits(low)} and ${digits(high)}`));
  }));
}

function sessions(it) {
  show("sessions");
  show("none", !it.length);
  by("open").replaceChildren(...it.map((each) => row([each.name, {}], make("td", {}, each.parties.join(", ")),
    number(each.steps === null ? "no plan yet" : `${count(each.sent)} of ${count(each.steps)}`),
    barCell(each.steps ? each.sent / each.steps : 0), number(bytes(each.ahead)), number(bytes(each.step_bytes)))));
}

function shapes(it) {
  by("shapes").replaceChildren(...Object.entries(it).map(([name, phases]) => make("details", {}, make("summary", {}, name),
    ...Object.entries(phases).filter(([, lines]) => lines.length).map(([phase, lines]) => make("div", {}, make("h4", {}, phase), make("ul", {}, ...lines.map((line) => make("li", {}, line))))))));
}

function figures(it) {
  show("figures");
  by("tiles").replaceChildren(...it.map(([name, value, unit]) => make("div", {}, make("dt", {}, name),
    make("dd", {}, unit === "B" ? bytes(value) : unit === "s" ? span(value) : count(value)))));
}

function events(it) {
  show("events");
  by("lines").replaceChildren(...it.slice().reverse().map(([at, text]) => {
    const when = new Date(1000 * at);
    return make("li", {}, make("time", { datetime: when.toISOString() }, when.toLocaleTimeString("en-GB")), text);
  }));
}

function end(why) {
  source.close(); // nobody is there to be asked any more
  const it = seen.about.role === "dealer" ? "The dealer" : "The run";
  document.body.classList.add(why ? "stopped" : "done");
  put(by("status"), `${why ? `${it} stopped: ${why}` : `${it} is done`}; below is what it showed last.`);
  document.title = `${why ? "stopped" : "done"}, ${document.title}`;
}

const parts = { about, now, plan, links, curves, sessions, shapes, figures, events, end };
const source = new EventSource("events");
for (const [name, handle] of Object.entries(parts)) {
  source.addEventListener(name, (event) => { seen[name] = JSON.parse(event.data); handle(seen[name]); });
}
source.addEventListener("open", () => by("status").classList.remove("ended"));
source.addEventListener("error", () => {
  by("status").classList.add("ended");
  if (seen.now) now({ ...seen.now, pace: {}, left: null }); // nothing is known of how fast it is now
  put(by("status"), "The process has ended, or is out of reach; below is what it showed last.");
});
