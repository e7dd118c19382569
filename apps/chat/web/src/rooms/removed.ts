import type { Message, Person } from "../connection/contract";

/** Messages after the removal of a person's account, as the server keeps them: without the name, or deleted. */
export function withoutPerson(messages: readonly Message[], person: Person, isErased: boolean): readonly Message[] {
  return messages.map((message) => without(message, person, isErased));
}

function without(message: Message, person: Person, isErased: boolean): Message {
  const { answer, quote, reactions = [] } = message;
  const changed = { ...message };
  if (message.author.id === person.id) Object.assign(changed, { author: person }, isErased && { text: "", isDeleted: true, files: [], quote: null, reactions: [] });
  if (answer?.askedBy.id === person.id) changed.answer = { ...answer, askedBy: person };
  if (changed.quote && quote?.authorId === person.id) {
    changed.quote = isErased ? { ...quote, id: "", authorId: "", authorName: "", text: "", isDeleted: true } : { ...quote, authorName: person.name };
  }
  if (changed.reactions?.length && reactions.some((each) => each.people.some(({ id }) => id === person.id))) {
    changed.reactions = reactions
      .map((each) => ({ ...each, people: isErased ? each.people.filter(({ id }) => id !== person.id) : each.people.map((one) => (one.id === person.id ? { ...one, name: person.name } : one)) }))
      .filter((each) => each.people.length > 0);
  }
  return changed;
}
