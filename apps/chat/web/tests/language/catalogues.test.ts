import { describe, expect, it } from "vitest";
import { texts as de } from "../../src/language/de";
import { texts as es } from "../../src/language/es";
import type { Forms } from "../../src/language/language";
import { stringsOfPython, textsOf, textsOfPage, textsOfServer } from "./texts";

const page = textsOfPage();
const server = textsOfServer();
const wanted = new Set([...page.texts.map((text) => text.key), ...server.sentences]);
const plurals = new Set(page.texts.filter((text) => text.isPlural).map((text) => text.key));

/** The names of the values in a text. */
function values(text: string): string[] {
  return [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();
}

describe("the page", () => {
  it("says nothing outside of the catalogue", () => {
    expect(page.bare).toEqual([]);
  });

  it("translates nothing before it knows the language", () => {
    expect(page.early).toEqual([]);
  });

  it("has its texts and the server's found", () => {
    expect(wanted).toContain("Sign in");
    expect(wanted).toContain("{name} is writing…");
    expect(wanted).toContain("Name or password is wrong.");
    expect(wanted).toContain("The topic has {0} characters; {1} are allowed.");
    expect(plurals).toContain("{count} devices");
  });
});

describe.each([["de", de], ["es", es]])("the catalogue %s", (_, texts) => {
  it("has every text", () => {
    expect([...wanted].filter((key) => texts[key] === undefined)).toEqual([]);
  });

  it("has none that nobody says", () => {
    const said = new Set([...wanted, ...server.all]);
    expect(Object.keys(texts).filter((key) => !said.has(key))).toEqual([]);
  });

  it("has the forms of plurals, and only of plurals", () => {
    expect(Object.keys(texts).filter((key) => plurals.has(key) !== (typeof texts[key] === "object"))).toEqual([]);
  });

  it("has the same values in each text", () => {
    const given = (text: string | Forms) => values(typeof text === "string" ? text : text.other);
    expect(Object.entries(texts).filter(([key, text]) => given(text).join() !== values(key).join() && key !== "{0} message{1}")).toEqual([]);
  });
});

describe("the search for texts", () => {
  it("finds bare ones where people read", () => {
    const source = 'const A = () => <p title="Hello">Words {wrong ? "Bad thing" : `${n} pieces`}<b>{t("Good")}</b></p>;';
    expect(textsOf("a.tsx", source).bare).toEqual(["a.tsx: Bad thing", "a.tsx: pieces", "a.tsx: Hello", "a.tsx: Words"]);
  });

  it("finds what is translated too early", () => {
    expect(textsOf("a.ts", 'const A = t("Early"); const b = () => t("In time"); const c = msg("Marked");').early).toEqual(["a.ts: Early"]);
  });

  it("finds both texts of a choice, and not what is asked", () => {
    expect(textsOf("a.ts", 'const a = () => t(state === "error" ? "Retry" : "Load");').texts.map((text) => text.key)).toEqual(["Retry", "Load"]);
  });

  it("reads the strings of Python", () => {
    expect(stringsOfPython('"""Not this."""\nraise E(f"{name} has {n:,} " "of {these}.")  \nx = "One."')).toEqual(["{0} has {1} of {these}.", "One."]);
  });
});
