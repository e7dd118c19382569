import { beforeEach, describe, expect, it } from "vitest";
import { Answers } from "../src/answers/answers";
import { answer } from "./fake-port";

let frames: (() => void)[];
let gaps: string[];
let ended: string[];
let answers: Answers;

beforeEach(() => {
  frames = [];
  gaps = [];
  ended = [];
  answers = new Answers(
    { gap: (_room, id) => gaps.push(id), ended: (_room, id) => ended.push(id) },
    (work) => frames.push(work),
  );
});

function frame(): void {
  for (const work of frames.splice(0)) work();
}

describe("Answers", () => {
  it("shows many pieces in one step per frame", () => {
    const seen: (string | undefined)[] = [];
    answers.take(answer(2, "thinking"));
    answers.watch("m2").subscribe(() => seen.push(answers.watch("m2").value?.text));
    for (let at = 0; at < 10; at++) answers.delta("r", "m2", at, "x");
    expect(frames).toHaveLength(1);
    frame();
    expect(seen).toEqual(["xxxxxxxxxx"]);
    expect(answers.watch("m2").value?.answer.state).toBe("answering");
  });

  it("wakes only the row whose text grew", () => {
    let other = 0;
    answers.take(answer(2, "answering"));
    answers.take(answer(4, "answering"));
    answers.watch("m4").subscribe(() => other++);
    answers.delta("r", "m2", 0, "hi");
    frame();
    expect(other).toBe(0);
  });

  it("asks for the room again when pieces are missing, and heals from the snapshot", () => {
    answers.take(answer(2, "answering", "ab"));
    answers.delta("r", "m2", 3, "d");
    expect(gaps).toEqual(["m2"]);
    answers.take(answer(2, "answering", "abc"));
    expect(answers.watch("m2").value?.text).toBe("abcd");
  });

  it("keeps pieces that come before their message", () => {
    answers.delta("r", "m2", 0, "early ");
    answers.delta("r", "m2", 6, "bird");
    expect(answers.watch("m2").value).toBeNull();
    answers.take(answer(2, "thinking"));
    expect(answers.watch("m2").value?.text).toBe("early bird");
    expect(gaps).toEqual([]);
  });

  it("ends once, with the server's text, and ignores what comes late", () => {
    const over = answer(2, "completed").answer!;
    answers.take(answer(2, "answering", "ab"));
    answers.ended("r", "m2", "final", over);
    answers.ended("r", "m2", "final", over);
    answers.delta("r", "m2", 5, "!");
    answers.take(answer(2, "answering", "fin"));
    frame();
    expect(answers.watch("m2").value?.text).toBe("final");
    expect(ended).toEqual(["m2"]);
  });

  it("shows the place in the queue as it changes", () => {
    answers.take(answer(2, "queued"));
    answers.status("r", "m2", { ...answer(2, "queued").answer!, place: 1 });
    expect(answers.watch("m2").value?.answer.place).toBe(1);
  });
});
