import { afterEach, describe, expect, it } from "vitest";
import { toolTitle } from "../../src/answers/tools";
import { languageFor, LanguageChoice } from "../../src/language/choice";
import { texts as de } from "../../src/language/de";
import { listed, number, plural, said, speak, t } from "../../src/language/language";
import { clockTime, duration, inOwnZone } from "../../src/messages/dates";
import { memoryBox } from "../../src/ui/storage";

afterEach(() => speak("en", {}));

describe("texts", () => {
  it("are English without a catalogue, with their values", () => {
    expect(t("{name} is writing…", { name: "Ada" })).toBe("Ada is writing…");
    expect([plural(1, "1 device", "{count} devices"), plural(1200, "1 device", "{count} devices")]).toEqual(["1 device", "1,200 devices"]);
  });

  it("are of the catalogue, and English where it has none", () => {
    speak("de", { Send: "Senden", "{count} devices": { one: "1 Gerät", other: "{count} Geräte" } });
    expect([t("Send"), t("Unknown"), plural(1, "1 device", "{count} devices"), plural(1200, "1 device", "{count} devices")]).toEqual(["Senden", "Unknown", "1 Gerät", "1.200 Geräte"]);
  });

  it("take values as they are, whatever is in them", () => {
    expect(t("{name} is writing…", { name: "{name} $& {x}" })).toBe("{name} $& {x} is writing…");
  });

  it("have numbers, names and times as they are written there", () => {
    expect([number(1234.5), listed(["Ada"]), listed(["Ada", "Bob", "you"]), duration(0.84)]).toEqual(["1,234.5", "Ada", "Ada, Bob and you", "0.8 s"]);
    speak("de", {}, "de-DE");
    expect([number(1234.5), listed(["Ada", "Bob", "du"]), duration(0.84), clockTime("2026-01-02T03:04:00")]).toEqual(["1.234,5", "Ada, Bob und du", "0,8 s", "03:04"]);
  });
});

describe("sentences of the server", () => {
  it("stay as they are in English, and where they are not known", () => {
    expect(said("This room does not exist.")).toBe("This room does not exist.");
    speak("de", de);
    expect(said("Something new happened.")).toBe("Something new happened.");
    expect(said("")).toBe("");
  });

  it("are translated with their values", () => {
    speak("de", de);
    expect(said("This room does not exist.")).toBe("Diesen Raum gibt es nicht.");
    expect(said("The topic has 203 characters; 200 are allowed.")).toBe("Das Thema hat 203 Zeichen; 200 sind erlaubt.");
    expect(said("The message has 10,001 characters; 10,000 are allowed.")).toBe("Die Nachricht hat 10.001 Zeichen; 10.000 sind erlaubt.");
    expect(said("The room's name is empty.")).toBe("Der Name des Raums ist leer.");
    expect(said("Ada has deleted Plans.")).toBe("Ada hat Plans gelöscht.");
    expect(said("Atlas is for premium accounts. An administrator can make yours one.")).toBe("Atlas ist für Premium-Konten. Ein Administrator kann deines dazu machen.");
  });

  it("name the chat's own tools, and leave those of others as they are", () => {
    speak("de", de);
    expect([toolTitle("Calculator", null), toolTitle("Calculator", "notes"), toolTitle("missing", undefined)]).toEqual(["Rechner", "Calculator", "missing"]);
  });

  it("keep the times of day of the reader", () => {
    speak("de", de, "de-DE");
    const text = inOwnZone(said("Your 1,000 tokens of today are used up. There will be more at 00:00 UTC."), 0);
    expect(text).toBe(`Deine 1.000 Token von heute sind verbraucht. Neue gibt es um ${clockTime("1970-01-01T00:00:00Z")}.`);
  });
});

describe("the choice of a language", () => {
  it("is the first wanted one that there is", () => {
    expect([languageFor(["fr-FR", "de-AT", "es"]), languageFor(["fr"]), languageFor([])]).toEqual(["de", "en", "en"]);
  });

  it("is kept, and given up again", async () => {
    const box = memoryBox();
    const choice = new LanguageChoice(box, ["de-AT"]);
    await choice.begin();
    expect([choice.spoken.value, t("Send"), number(1.5)]).toEqual(["de", "Senden", "1,5"]);
    await choice.choose("es");
    expect([choice.spoken.value, t("Send")]).toEqual(["es", "Enviar"]);
    expect(new LanguageChoice(box, ["de-AT"]).value.value).toBe("es");
    await choice.choose("system");
    expect([choice.spoken.value, box.read("language")]).toEqual(["de", null]);
  });

  it("takes no language from the storage that there is not", () => {
    const box = memoryBox();
    box.write("language", "xx");
    expect(new LanguageChoice(box, []).value.value).toBe("system");
  });
});
