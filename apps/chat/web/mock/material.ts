import type { Message, Person } from "../src/connection/contract";
import type { RoomMember } from "@hubline/client/rooms";
import type { Present } from "../src/rooms/presence";

const person = (id: string, name: string, devices = 1): Present => ({ id, name, kind: "person", devices });

export const PEOPLE: Present[] = [
  person("ada", "Ada Lovelace", 2), person("grace", "Grace Hopper"), person("linus", "Linus"),
  person("mar", "Margaret Hamilton"), person("ken", "Ken Thompson"), person("bar", "Barbara Liskov"),
];

export const ROOMS = [
  { id: "general", name: "General", topic: "Whatever everyone should know" },
  { id: "python", name: "Python", topic: "asyncio, typing and the odd snake" },
  { id: "random", name: "Random", topic: "" },
  { id: "lounge", name: "Quiet lounge", topic: "Nobody has said anything here yet" },
  { id: "secret", name: "Launch plans", topic: "Before the announcement" },
];

export const MEMBERS = PEOPLE.slice(0, 3).map(({ id, name }, index) => ({ id, name, isOwner: index === 0 }));

export const ANSWERS = [
  `Quantum physics describes how **very small things** behave.

1. *Superposition*: a particle can be in several states at once.
2. *Entanglement*: two particles share one fate.
3. *Measurement*: looking at it decides.

> "If you think you understand quantum mechanics, you don't." — R. Feynman

| Idea | Everyday picture |
|---|---|
| Superposition | A coin that spins |
| Entanglement | Two coins that always land alike |
| Tunnelling | A ball that rolls *through* the hill |

Read more at [Wikipedia](https://en.wikipedia.org/wiki/Quantum_mechanics). <img src=x onerror=alert(1)> stays text.`,
  `A hub with Hubline is a class:

\`\`\`python
from hubline import Hub, HubApp

class ChatHub(Hub):
    """Everybody hears everybody."""

    async def send_message(self, user: str, message: str) -> None:
        await self.clients.all.send("ReceiveMessage", user, message)  # a long comment that makes this line scroll sideways

app = HubApp({"/chatHub": ChatHub})
\`\`\`

Then, in the browser:

\`\`\`js
const connection = new signalR.HubConnectionBuilder().withUrl("/chatHub").build();
await connection.start();
\`\`\`

Run it with \`hubline run app:app\`. That's all.`,
  Array.from({ length: 24 }, (_, index) => `## Part ${index + 1}\n\nThe line stays open while words arrive one by one. Each paragraph is here to make the answer long enough to scroll, so that sticking to the bottom and the pill can be tried out properly.\n\n- first point of part ${index + 1}\n- second point, with \`code\``).join("\n\n"),
  `The line is described [in the specification][spec] and in [the guide][2]. Its length is \\(l_1 * l_2\\), or

\\[
l = a^2
- b
\\]

998. one
999. two
1000. three

[spec]: https://example.com/spec
[2]: https://example.com/guide "The guide"`,
];

const TALK: [string, string][] = [
  ["ada", "Good morning! Has anybody tried the new streaming endpoint yet?"],
  ["grace", "Yes, works like a charm over WebSockets. Long polling too, if you must."],
  ["grace", "I even pulled the plug in the middle of an answer and it healed."],
  ["linus", "Show me the code: `await self.clients.all.send(...)`?"],
  ["mar", "Look at https://example.com/hubline/docs for the ten-line example."],
  ["ada", "@ai can you show a hub?"],
];

export function history(roomId: string, assistant: Person, many: number): Message[] {
  if (roomId === "lounge") return [];
  const start = Date.now() - 26 * 3600_000 - many * 7 * 60_000;
  const messages: Message[] = [];
  const add = (author: Person, text: string, more: Partial<Message> = {}) => {
    const seq = messages.length + 1;
    const sentAt = new Date(start + seq * 7 * 60_000 + (seq > 4 ? 22 * 3600_000 : 0)).toISOString();
    messages.push({ id: `h${seq}-${roomId}`, roomId, seq, kind: author.kind, author, text, sentAt, ...more });
  };
  for (let index = 0; index < many; index++) {
    const author = PEOPLE[Math.floor(index / 2) % PEOPLE.length] ?? PEOPLE[0]!;
    add(author, `Message number ${index + 1}: ${"lorem ipsum dolor ".repeat((index % 7) + 1)}`);
  }
  for (const [id, text] of TALK) add(PEOPLE.find((each) => each.id === id) ?? PEOPLE[0]!, text);
  const askedBy = PEOPLE[0]!;
  const questionId = messages.at(-1)?.id ?? "";
  const answer = { runId: null, reasoning: "", askedBy, questionId, startedAt: null, endedAt: null, elapsed: 3.4, model: "standard" as const };
  add(assistant, ANSWERS[1] ?? "", { answer: { ...answer, state: "completed" } });
  add(PEOPLE[2]!, "@ai explain quantum physics");
  add(assistant, ANSWERS[0] ?? "", { answer: { ...answer, askedBy: PEOPLE[2]!, questionId: messages.at(-1)?.id ?? "", state: "stopped", reasoning: "They want the idea, not the formulas. Three notions, then a table." } });
  add(assistant, "", { answer: { ...answer, questionId: "x", state: "failed", error: "The model did not answer in time." } });
  add(PEOPLE[2]!, "@ai and what is an open line?");
  const limited = "The 20,000 tokens of today were used up here. There are new ones at 02:00.";
  add(assistant, "An open line is a connection that stays open while words arrive one by one, so that nobody", {
    answer: { ...answer, askedBy: PEOPLE[2]!, questionId: messages.at(-1)?.id ?? "", model: "premium", state: "limited", error: limited },
  });
  return messages;
}

/** As a room of the library tells of its members. */
export function asMember({ id, name, devices }: Present): RoomMember {
  const made = Array.from({ length: devices }, (_, at) => ({ id: `${id}-${at}`, name: `${at}`, since: null }));
  return { key: `u:${id}`, user: id, agent: false, state: { name }, devices: made };
}
