import { renderToStaticMarkup } from "react-dom/server";
import { afterEach, describe, expect, it } from "vitest";
import { Announcer } from "../src/answers/Announcer";
import { HowItEnded } from "../src/answers/HowItEnded";
import { ChatContext, type Chat } from "../src/chat";
import type { Answer } from "../src/connection/contract";
import { texts } from "../src/language/de";
import { speak } from "../src/language/language";
import { asSentence, withoutStop } from "../src/language/sentences";
import { Store } from "../src/ui/store";
import { answer, ME } from "./fake-port";

afterEach(() => speak("en", {}));

const CUT = "The answer reached its limit of length.";

function below(state: Answer["state"], more: Partial<Answer>): string {
  const html = renderToStaticMarkup(<HowItEnded answer={{ ...answer(2, state).answer!, elapsed: 2, ...more }} me={ME} currency="EUR" />);
  return html.replace(/<[^>]*>/g, "");
}

function announced(state: Answer["state"], error: string | null): string {
  const ended = answer(2, state, "Once.");
  const chat = { me: new Store(ME), finished: new Store({ ...ended, answer: { ...ended.answer, error } }) } as unknown as Chat;
  return renderToStaticMarkup(<ChatContext value={chat}><Announcer /></ChatContext>).replace(/<[^>]*>/g, "");
}

describe("how an answer ended", () => {
  it("has no full stop before the dot that its cost stands behind", () => {
    expect(below("completed", { error: CUT, tokens: 9, cost: 0.00004 })).toBe("2.0 s · The answer reached its limit of length · €0.00004");
    expect(below("completed", { error: CUT })).toBe(`2.0 s · ${CUT}`);
    expect(below("stopped", { tokens: 9, cost: 0.5 })).toBe("Stopped after 2.0 s · €0.50");
    speak("de", texts);
    expect(below("completed", { error: CUT, tokens: 9 })).toBe("2,0 s · Die Antwort hat ihre größte Länge erreicht · 9 Token");
  });

  it("is announced with one full stop", () => {
    expect(announced("interrupted", "A server restart interrupted the answer.")).toBe("Assistant: Once. A server restart interrupted the answer.");
    expect(announced("stopped", null)).toBe("Assistant: Once. Stopped after 0.0 s.");
    expect(announced("failed", null)).toBe("Assistant: Once. The assistant could not answer.");
    expect(announced("completed", null)).toBe("Assistant: Once.");
    speak("de", texts);
    expect(announced("interrupted", "A server restart interrupted the answer.")).toBe("Assistent: Once. Ein Neustart des Servers hat die Antwort unterbrochen.");
  });
});

describe("a sentence", () => {
  it("ends once, whatever its end is", () => {
    expect(["Done", "Done.", "Done?", "Done…", "He said “done.”"].map(asSentence)).toEqual(["Done.", "Done.", "Done?", "Done…", "He said “done.”"]);
    expect(["Done.", "Done", "Done…", "at 5 a. m.."].map(withoutStop)).toEqual(["Done", "Done", "Done…", "at 5 a. m."]);
  });
});
