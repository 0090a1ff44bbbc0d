"use strict";
// Verifies what this page holds, in this browser and with nothing else, and tells it from what was verified.
const UNSEEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;
const OUTCOMES = { passed: "✓", failed: "✗", undetermined: "?", broken: "!" };
const ORDER = ["broken", "failed", "undetermined", "passed"];
const BASES = { given: "given", record: "on record", extracted: "from the words", remembered: "said earlier" };
const MEANING = {
  clear: "no mandatory rule stands against it",
  needs_facts: "a rule waits for a fact that nobody has said",
  needs_override: "a rule does not hold, and a person may lift it",
  blocked: "a rule does not hold, and nobody may lift it",
  broken: "a rule could not be run, so nothing is decided",
};
const utf8 = new TextEncoder();

const visible = (text) => String(text).replace(UNSEEN, (found) => "\\u" + found.codePointAt(0).toString(16).padStart(4, "0"));
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function bytesOf(text) {
  if (typeof text !== "string" || !/^([0-9a-f]{2})*$/.test(text)) throw new Error("it is no text of hexadecimal digits");
  return Uint8Array.from(text.match(/../g) || [], (pair) => parseInt(pair, 16));
}

function base64(text) {
  const raw = atob(text);
  if (btoa(raw) !== text) throw new Error("it is no canonical base64");
  return Uint8Array.from(raw, (character) => character.charCodeAt(0));
}

function joined(...parts) {
  const found = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    found.set(part, at);
    at += part.length;
  }
  return found;
}

const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
const node = (left, right) => sha256(joined(Uint8Array.of(1), left, right));

/** JSON as it is sealed: sorted keys, no spaces. */
function canonical(value) {
  if (Array.isArray(value)) return "[" + value.map(canonical).join(",") + "]";
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return "{" + Object.keys(value).sort().map((key) => JSON.stringify(key) + ":" + canonical(value[key])).join(",") + "}";
}

/** The root to which a path leads (RFC 9162, section 2.1.3.2); null where it fits no tree. */
async function rootOf(leaf, place, size, path) {
  let found = leaf, last = size - 1;
  if (!(place >= 0 && place < size)) return null;
  for (const beside of path) {
    if (last === 0) return null;
    if (place % 2 === 1 || place === last) {
      found = await node(beside, found);
      while (place % 2 === 0 && place !== 0) [place, last] = [Math.floor(place / 2), Math.floor(last / 2)];
    } else {
      found = await node(found, beside);
    }
    [place, last] = [Math.floor(place / 2), Math.floor(last / 2)];
  }
  return last === 0 ? hex(found) : null;
}

async function readKey(text) {
  const [name, mark, said] = text.split(/\+(.*?)\+(.*)/s);
  const raw = base64(said || "");
  const id = (await sha256(joined(utf8.encode(name + "\n"), raw))).slice(0, 4);
  if (raw.length !== 33 || raw[0] !== 1 || hex(id) !== mark) throw new Error("the public key is damaged");
  return { name, id, raw: raw.slice(1) };
}

/** What a signed note says (C2SP tlog-checkpoint), its signature checked. */
async function readCheckpoint(note, key, tenant) {
  const cut = note.indexOf("\n\n");
  const text = note.slice(0, cut + 1);
  const [origin, size, root, ...more] = text.split("\n");
  const row = note.slice(cut + 2).split("\n").find((line) => line.startsWith("— " + key.name + " "));
  if (cut < 0 || !row) throw new Error("it is not signed with this key");
  const signature = base64(row.slice(key.name.length + 3));
  if (hex(signature.slice(0, 4)) !== hex(key.id)) throw new Error("it is signed with another key of that name");
  let imported;
  try {
    imported = await crypto.subtle.importKey("raw", key.raw, "Ed25519", false, ["verify"]);
  } catch (error) {
    throw new Error("this browser cannot check Ed25519 signatures; open the file in a newer one");
  }
  if (!(await crypto.subtle.verify("Ed25519", imported, signature.slice(4), utf8.encode(text))))
    throw new Error("its signature is not that of its text");
  if (origin !== key.name + "/" + tenant) throw new Error("it is of " + origin + ", and not of this tenant");
  if (!/^[1-9][0-9]*$/.test(size)) throw new Error("it does not say how many lines it is of");
  const said = Object.fromEntries(more.filter(Boolean).map((line) => line.split(/ (.*)/s)));
  return { size: Number(size), root: hex(base64(root)), at: said.time || "" };
}

/** What is wrong with a line, each in words; and the event and payload that it says. */
async function readLine(each, held, checkpoint) {
  const wrong = [], bytes = utf8.encode(each.line);
  let spoilt = false;
  if (hex(await sha256(bytes)) !== each.hash) wrong.push("its text does not have its hash: the line was changed");
  let event = null, payload = null;
  try {
    event = JSON.parse(each.line);
    if (canonical(event) !== each.line) wrong.push("its text is not in its canonical form");
    if (event.v !== 1 || event.seq !== each.seq || event.tenant !== held.tenant) wrong.push("it is not the line that this page names");
    if (event.kind !== "decided" && event.turn !== held.turn) wrong.push("it is of another turn");
  } catch (error) {
    wrong.push("it cannot be read");
  }
  if (event && each.payload) {
    try {
      const salt = bytesOf(each.payload.salt);
      const said = hex(await sha256(joined(salt, utf8.encode(each.payload.body))));
      spoilt = salt.length !== 32 || said !== event.commitment;
      if (spoilt) wrong.push("what lies beside it (words, facts, values) is not what was committed to, and is not told");
      else payload = JSON.parse(each.payload.body);
      if (payload && payload.subject !== each.payload.subject) wrong.push("it was sealed for another person than the one named beside it");
    } catch (error) {
      [spoilt, payload] = [true, null];
      wrong.push("what lies beside it (words, facts, values) cannot be read");
    }
  }
  try {
    if (checkpoint) {
      const root = await rootOf(await sha256(joined(Uint8Array.of(0), bytes)), each.seq - 1, checkpoint.size, each.path.map(bytesOf));
      if (root !== checkpoint.root) wrong.push("its path does not lead to the signed root: line or path was changed");
    }
  } catch (error) {
    wrong.push("its path cannot be read");
  }
  return { event, payload, spoilt, wrong, seq: each.seq, hash: each.hash, text: each.line };
}

/** Whether a decision is on something that the turn found. */
function decides(line, judged) {
  const { conversation, outcome } = line.event;
  const found = Array.isArray(judged.event.outcome.findings) ? judged.event.outcome.findings : [];
  return conversation === judged.event.conversation &&
    found.some((each) => each.rule === outcome.rule && each.rule_hash === outcome.rule_hash) &&
    (!judged.payload || judged.payload.overrides.some((each) => each.id === outcome.override));
}

async function verify(held) {
  const faults = [];
  let checkpoint = null, key = null;
  try {
    key = await readKey(held.key);
    checkpoint = await readCheckpoint(held.checkpoint, key, held.tenant);
  } catch (error) {
    faults.push("the checkpoint: " + error.message);
  }
  const lines = [];
  for (const each of held.lines) lines.push(await readLine(each, held, checkpoint));
  const judged = lines.find((line) => line.event && line.event.kind === "judged");
  for (const line of lines)
    if (judged && line.event && line.event.kind === "decided" && !decides(line, judged)) line.wrong.push("it decides on nothing that this turn found");
  for (const line of lines) faults.push(...line.wrong.map((words) => "line " + line.seq + ": " + words));
  if (!judged) faults.push("the line that holds the verdict is missing");
  if (lines.some((line, place) => place && line.seq <= lines[place - 1].seq)) faults.push("its lines are not in their order");
  return { faults, checkpoint, key, lines };
}
