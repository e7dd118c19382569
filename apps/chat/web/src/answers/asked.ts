import type { Message } from "../connection/contract";

const known = new WeakMap<readonly Message[], ReadonlyMap<string, Message>>();

/** The questions of those answers that do not stand right below theirs, by the answer's id. */
export function askedElsewhere(messages: readonly Message[]): ReadonlyMap<string, Message> {
  let found = known.get(messages);
  if (!found) known.set(messages, (found = search(messages)));
  return found;
}

const questions = new WeakMap<readonly Message[], ReadonlySet<string>>();

/** The ids of the messages that have an answer. */
export function askedBy(messages: readonly Message[]): ReadonlySet<string> {
  let found = questions.get(messages);
  if (!found) questions.set(messages, (found = new Set(messages.flatMap((each) => each.answer?.questionId ?? []))));
  return found;
}

const authors = new WeakMap<readonly Message[], ReadonlyMap<string, string>>();

/** Whose a message is: an answer is that of whoever wrote its question, whoever let it be made anew. Ids of people. */
export function ownerOf(messages: readonly Message[], message: Message): string {
  if (!message.answer) return message.author.id;
  let found = authors.get(messages);
  if (!found) authors.set(messages, (found = new Map(messages.map((each) => [each.id, each.author.id]))));
  return found.get(message.answer.questionId) ?? message.answer.askedBy.id;
}

function search(messages: readonly Message[]): ReadonlyMap<string, Message> {
  const byId = new Map(messages.map((message) => [message.id, message]));
  const found = new Map<string, Message>();
  let above: Message | undefined;
  for (const message of messages) {
    const question = message.answer && byId.get(message.answer.questionId);
    if (question && question !== above) found.set(message.id, question);
    if (message.seq > 0) above = message;
  }
  return found;
}
