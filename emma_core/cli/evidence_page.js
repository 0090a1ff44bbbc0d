/** An element with its class and what stands in it: text, which is never markup, or other elements. */
function el(tag, style, ...inside) {
  const made = document.createElement(tag);
  if (style) made.className = style;
  for (const each of inside.flat())
    if (each !== null && each !== undefined && each !== "") made.append(each instanceof Node ? each : visible(each));
  return made;
}

const list = (said) => (Array.isArray(said) ? said : []);
const when = (at) => String(at).slice(0, 19).replace("T", " ") + " UTC";

function plain(said) {
  if (said === true || said === false) return said ? "yes" : "no";
  return Array.isArray(said) ? said.join(", ") || "(none)" : String(said);
}

function pairs(rows) {
  const made = el("dl", "");
  for (const [name, ...said] of rows)
    if (said.flat().some((each) => each)) made.append(el("dt", "", name), el("dd", "", ...said));
  return made;
}

function table(style, columns, rows) {
  const body = el("tbody", "");
  for (const row of rows) {
    const made = el("tr", "");
    row.forEach((cell, place) => {
      const told = el("td", "", cell);
      told.dataset.name = columns[place];
      made.append(told);
    });
    body.append(made);
  }
  const head = el("tr", "", ...columns.map((name) => {
    const cell = el("th", "", name);
    cell.scope = "col";
    return cell;
  }));
  return el("div", "scroll", el("table", style, el("thead", "", head), body));
}

function outcome(finding) {
  const lifted = finding.override && (finding.override.state || finding.override) === "granted";
  const word = lifted ? "lifted" : finding.outcome === "undetermined" ? "unknown" : finding.outcome;
  return el("b", lifted ? "lift" : finding.outcome, (OUTCOMES[finding.outcome] || "") + " " + word);
}

function ruleCell(finding, titles) {
  const title = titles[finding.rule] || finding.rule;
  const said = finding.message && finding.outcome !== "passed" && !finding.message.startsWith(title) ? el("div", "", finding.message) : "";
  const source = finding.source ? el("div", "soft", finding.source.kind + ": " + finding.source.citation) : "";
  const id = el("div", "soft id", finding.rule + " · " + String(finding.rule_hash).slice(0, 12));
  return el("div", "", el("b", "", title), said, source, id);
}

function comparedCell(finding) {
  const bases = finding.basis || {};
  const rows = Object.entries(finding.values || {}).map(([name, said]) =>
    el("div", "", el("code", "", name + " = " + plain(said)), bases[name] ? " " + (BASES[bases[name]] || bases[name]) : ""));
  for (const name of list(finding.missing)) rows.push(el("div", "", el("code", "", name), " nobody said"));
  if (finding.would_pass && finding.outcome !== "passed") rows.push(el("div", "soft", "would pass: ", el("code", "", finding.would_pass)));
  const state = finding.override && (finding.override.state || finding.override);
  if (state) rows.push(el("div", "soft", "override " + state + (finding.override.granted_by ? " by " + finding.override.granted_by : "")));
  return el("div", "", ...rows);
}

function findings(found, titles) {
  const ordered = [...found].sort((one, two) => ORDER.indexOf(one.outcome) - ORDER.indexOf(two.outcome));
  return table("findings", ["Finding", "Rule", "Compared"],
    ordered.map((each) => [outcome(each), ruleCell(each, titles), comparedCell(each)]));
}

const absent = () => el("p", "soft", "The words, facts and values that belong to this line are not in this file. The line itself holds none.");

const TELL = {
  judged(event, payload) {
    const titles = Object.fromEntries(list(payload && payload.retrieved).map((each) => [each.rule, each.title]));
    if (!payload) return [findings(list(event.outcome.findings), titles)];
    return [
      list(payload.facts).length ? table("", ["Fact", "Value", "Known"],
        payload.facts.map((each) => [el("code", "", each.name), plain(each.value), BASES[each.basis] || each.basis])) : "",
      findings(list(payload.findings), titles),
      ...list(payload.needs).map((each) => el("p", "undetermined", "Needed: " + each.question)),
      ...list(payload.overrides).map((each) => el("p", "", "May be lifted by " + list(each.granted_by).join(" or ") + ": " + each.title + " (override " + each.id.slice(0, 12) + ", " + each.state + ")")),
      list(payload.left_out).length ? el("details", "", el("summary", "soft", payload.left_out.length + (payload.left_out.length === 1 ? " rule was left out" : " rules were left out")),
        ...payload.left_out.map((each) => el("p", "soft", each.rule + ": " + each.why))) : "",
    ];
  },
  answered(event, payload) {
    if (!payload) return [el("p", "soft", "Model: " + event.outcome.model)];
    const answer = payload.answer;
    return [
      el("blockquote", "", answer.text),
      ...list(answer.citations).map((each) => el("p", "soft", "[" + each.n + "] " + each.title + ": " + each.citation)),
      el("p", "soft", "Model: " + answer.model + (answer.mended ? ", mended before release" : "")),
    ];
  },
  stopped: (event, payload) => [el("p", "failed", "Stopped: " + ((payload || event.outcome).reason || ""))],
  decided(event, payload) {
    const said = event.outcome, override = payload && payload.override;
    const word = el("p", said.decision === "granted" ? "passed" : "failed", el("b", "", said.decision), " " + (said.rule || "") + ", as " + said.role);
    if (!override) return [word];
    const reasons = Object.entries(override.reasons || {}).map(([name, text]) => [name.replaceAll("_", " "), text]);
    return [word, el("p", "", override.title + ": " + override.message), pairs([...reasons, ["until", String(override.expires_at || "").slice(0, 10)]])];
  },
};

function step(line) {
  const { event, payload } = line;
  const tell = TELL[event.kind] || (() => [el("pre", "", JSON.stringify(event.outcome, null, 1))]);
  return el("section", line.wrong.length ? "step bad" : "step",
    el("h2", "", event.kind),
    el("p", "soft", when(event.at) + " · by " + event.caller + " · line " + event.seq),
    ...line.wrong.map((words) => el("p", "failed", el("b", "", "This line does not verify: "), words)),
    ...tell(event, payload),
    payload || line.spoilt ? "" : absent());
}

function head(lines, held) {
  const judged = lines.find((line) => line.event && line.event.kind === "judged");
  if (!judged) return [];
  const said = judged.event.outcome, ask = judged.payload && judged.payload.ask;
  return [
    el("p", "", el("span", "verdict " + said.verdict, said.verdict), " " + (MEANING[said.verdict] || "")),
    ask ? el("blockquote", "ask", ask.words) : "",
    pairs([
      ["Tenant", held.tenant],
      ["Asked by", judged.event.caller + ", " + when(judged.event.at)],
      ["About", ask ? ask.subject : ""],
      ["Conversation", judged.event.conversation],
      ["Agent", said.blueprint + " (" + String(said.blueprint_hash).slice(0, 12) + "), model " + said.model],
      ["Rules of", list(said.packs).map((each) => each.name + " " + each.version + " (" + each.hash.slice(0, 12) + ")").join(", ")],
      ["Read as of", said.as_of],
    ]),
  ];
}

function proofs(found, held) {
  const signed = found.checkpoint;
  const given = el("input", ""), same = el("span", "soft", "");
  given.id = "given";
  given.type = "text";
  given.autocomplete = "off";
  same.id = "same";
  same.setAttribute("role", "status");
  given.addEventListener("input", () => {
    const said = given.value.trim();
    same.textContent = !said ? "" : said === held.key ? "✓ It is this key." : "✗ It is another key: do not trust this file.";
    same.className = said === held.key ? "passed" : "failed";
  });
  const label = el("label", "", "The key that you were given otherwise ", given);
  return el("section", "proof",
    el("h2", "", "What this proves"),
    found.faults.length ? el("p", "failed", "Nothing, as it stands: it does not verify, as is said above. What it would:") : "",
    el("p", "", "Each line below was sealed with the hash of its text. It is one of the lines of a log (RFC 6962), and the log's root was signed (Ed25519). So no line, and none of the words, facts and values committed to in it, was changed since " + (signed ? when(signed.at) : "it was signed") + " by anybody who does not hold the key. Your browser worked this out; nothing was asked of anybody."),
    el("p", "", el("b", "", "A file can carry any key. "), "Compare this one with the key that the firm published or gave you another way."),
    el("pre", "", held.key),
    el("p", "", label, same),
    el("h3", "", "The checkpoint"),
    el("pre", "", held.checkpoint),
    el("h3", "", "The sealed lines"),
    ...found.lines.map((line) => el("div", line.wrong.length ? "bad" : "", el("p", "soft", (line.wrong.length || !signed ? "✗" : "✓") + " line " + line.seq + " · SHA-256 " + line.hash), el("pre", "", line.text))));
}

async function main() {
  const banner = document.getElementById("banner"), page = document.getElementById("page");
  const say = (style, title, words) => {
    banner.className = "banner " + style;
    banner.replaceChildren(el("b", "", title), ...words.map((each) => el("div", "", each)));
  };
  try {
    if (!globalThis.crypto || !crypto.subtle) throw new Error("this browser gives a page of this address no cryptography; save the file and open it from disk");
    const held = JSON.parse(document.getElementById("evidence").textContent);
    if (held.format !== "emma-evidence" || held.v !== 1) throw new Error("its form is unknown here");
    const found = await verify(held);
    document.getElementById("turn").textContent = visible("Turn " + held.turn);
    page.replaceChildren(...head(found.lines, held), ...found.lines.filter((line) => line.event).map(step), proofs(found, held));
    if (found.faults.length) say("bad", "This file does not verify.", found.faults);
    else say("good", "Verified in this browser.", ["All " + found.lines.length + " lines are as they were sealed, among the " + found.checkpoint.size + " that " + found.key.name + " signed at " + when(found.checkpoint.at) + ". Compare the key below."]);
  } catch (error) {
    say("bad", "This file does not verify.", ["it cannot be read: " + error.message]);
  }
  document.documentElement.dataset.done = "yes";
}

addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => (each.open = true)));
main();
