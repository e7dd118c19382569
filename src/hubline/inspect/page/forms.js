// Inputs for values that a JSON Schema (draft 7, as `hubline contract` writes it) describes, and what does not fit.

// Elements are made by this alone, with texts as texts: what a server says is never markup.
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && typeof value !== "string") made[key] = value;
    else if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== undefined));
  return made;
}

export class Schemas {
  constructor(components) {
    this.components = components;
  }

  of(schema) {
    let found = schema ?? {};
    for (let steps = 0; found.$ref && steps < 20; steps++) found = this.components[found.$ref.split("/").pop()] ?? {};
    return found;
  }

  // The name of a type, for people.
  name(schema) {
    if (schema?.$ref) return schema.$ref.split("/").pop();
    const found = this.of(schema);
    if (found.enum) return "enum";
    const some = found.anyOf ?? found.oneOf;
    if (some) return some.map((each) => this.name(each)).join(" | ");
    if (found.type === "array" && found.items && !Array.isArray(found.items)) return `${this.name(found.items)}[]`;
    return [found.type ?? "any"].flat().join(" | ") + (found.format ? ` (${found.format})` : "");
  }

  // A value to begin with, for what is written as JSON.
  example(schema, depth = 0) {
    const found = this.of(schema);
    if (found.default !== undefined) return found.default;
    if (found.enum) return found.enum[0];
    if (found.const !== undefined) return found.const;
    const some = found.anyOf ?? found.oneOf;
    if (some) return this.example(some[0], depth);
    const type = [found.type].flat()[0];
    if (type === "object" && depth < 4) {
      const wanted = Object.entries(found.properties ?? {}).filter(([name]) => found.required?.includes(name));
      return Object.fromEntries(wanted.map(([name, each]) => [name, this.example(each, depth + 1)]));
    }
    if (Array.isArray(found.items) && depth < 4) return found.items.map((each) => this.example(each, depth + 1));
    return { object: {}, array: [], string: "", integer: found.minimum ?? 0, number: found.minimum ?? 0, boolean: false }[type] ?? null;
  }

  // Why a value does not fit, or "". Formats are left to the server.
  problem(value, schema, where = "") {
    const found = this.of(schema);
    const at = where ? `${where}: ` : "";
    if (found.enum && !found.enum.some((each) => same(each, value))) return `${at}must be one of ${found.enum.map((each) => JSON.stringify(each)).join(", ")}`;
    if (found.const !== undefined && !same(found.const, value)) return `${at}must be ${JSON.stringify(found.const)}`;
    const some = found.anyOf ?? found.oneOf;
    if (some) {
      const problems = some.map((each) => this.problem(value, each, where));
      return problems.includes("") ? "" : problems.length === 1 ? problems[0] : `${at}must be ${this.name(found)}`;
    }
    const types = [found.type ?? []].flat();
    if (types.length && !types.some((type) => hasType(value, type))) return `${at}must be ${types.join(" or ")}`;
    const text = typeof value === "number" ? numbers(value, found) : typeof value === "string" ? texts(value, found) : "";
    if (text) return at + text;
    if (Array.isArray(value)) return this.problemInList(value, found, where, at);
    if (value && typeof value === "object") return this.problemInObject(value, found, where, at);
    return "";
  }

  problemInList(value, found, where, at) {
    if (value.length < (found.minItems ?? 0)) return `${at}needs ${found.minItems} items or more`;
    if (value.length > (found.maxItems ?? Infinity)) return `${at}takes ${found.maxItems} items at most`;
    const schema = (index) => (Array.isArray(found.items) ? found.items[index] : found.items);
    return firstOf(value.map((each, index) => this.problem(each, schema(index), `${where}[${index}]`)));
  }

  problemInObject(value, found, where, at) {
    const missing = (found.required ?? []).find((name) => !(name in value));
    if (missing !== undefined) return `${at}"${missing}" is missing`;
    const more = typeof found.additionalProperties === "object" ? found.additionalProperties : {};
    const inside = (name) => (where ? `${where}.${name}` : name);
    return firstOf(Object.entries(value).map(([name, each]) => this.problem(each, found.properties?.[name] ?? more, inside(name))));
  }

  // One input. `read()` returns { value }, { missing: true } for what is left empty, or { problem }.
  field(name, schema, { required = true, list = false } = {}) {
    const found = this.of(schema);
    const id = `field-${++fields}`;
    const note = element("p", { class: "bad", id: `${id}-problem`, hidden: true });
    const control = list ? area("[]") : this.control(found, required);
    control.input.id = id;
    control.input.setAttribute("aria-describedby", note.id);
    const kind = list ? `stream of ${this.name(schema)}, as a JSON list` : this.name(schema);
    const label = element("label", { for: id }, `${name}: ${kind}${required ? "" : " (may be left out)"}`);
    const read = () => {
      const got = control.read();
      const text = got.problem ?? (got.missing ? (required ? "a value is needed" : "") : list ? this.problem(got.value, { type: "array", items: schema }) : this.problem(got.value, schema));
      note.hidden = !text;
      note.textContent = text;
      control.input.toggleAttribute("aria-invalid", Boolean(text));
      return text ? { problem: text, input: control.input } : got;
    };
    return { name, element: element("div", { class: "field" }, label, control.input, note), read, required, list };
  }

  control(found, required) {
    if (found.enum && found.enum.length) {
      const options = found.enum.map((each, index) => element("option", { value: String(index) }, typeof each === "string" ? each : JSON.stringify(each)));
      if (!required) options.unshift(element("option", { value: "" }, "–"));
      const input = element("select", {}, ...options);
      return { input, read: () => (input.value === "" ? { missing: true } : { value: found.enum[Number(input.value)] }) };
    }
    if (found.type === "boolean" && required) {
      const input = element("input", { type: "checkbox" });
      return { input, read: () => ({ value: input.checked }) };
    }
    if (found.type === "integer" || found.type === "number") {
      const input = element("input", { type: "number", step: found.type === "integer" ? "1" : "any", value: required ? "0" : "" });
      return { input, read: () => (input.validity.badInput ? { problem: "must be a number" } : input.value === "" ? { missing: true } : { value: Number(input.value) }) };
    }
    if (found.type === "string") {
      const input = element("input", { type: "text", spellcheck: "false", placeholder: found.format ?? "" });
      // an empty text is a value, unless it may be left out
      return { input, read: () => (input.value === "" && !required ? { missing: true } : { value: input.value }) };
    }
    return area(required ? JSON.stringify(this.example(found), null, 2) : "");
  }
}

let fields = 0;

export function area(text) {
  const input = element("textarea", { spellcheck: "false", rows: String(Math.min(text.split("\n").length + 1, 12)) });
  input.value = text;
  return {
    input,
    read: () => {
      if (!input.value.trim()) return { missing: true };
      try {
        return { value: JSON.parse(input.value) };
      } catch (error) {
        return { problem: `no JSON: ${error.message}` };
      }
    },
  };
}

const firstOf = (problems) => problems.find(Boolean) ?? "";
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

function hasType(value, type) {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return value !== null && typeof value === "object" && !Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

function numbers(value, found) {
  if (value < found.minimum) return `must be ${found.minimum} or more`;
  if (value > found.maximum) return `must be ${found.maximum} or less`;
  if (value <= found.exclusiveMinimum) return `must be more than ${found.exclusiveMinimum}`;
  if (value >= found.exclusiveMaximum) return `must be less than ${found.exclusiveMaximum}`;
  return "";
}

function texts(value, found) {
  const length = [...value].length;
  if (length < found.minLength) return `needs ${found.minLength} characters or more`;
  if (length > found.maxLength) return `takes ${found.maxLength} characters at most`;
  return found.pattern && !matches(found.pattern, value) ? `must match ${found.pattern}` : "";
}

// Python's patterns are not all JavaScript's: the server checks those that a browser cannot read.
function matches(pattern, value) {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    return true;
  }
}
