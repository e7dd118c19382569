/** Words as a sentence, which others may follow: those of the server have their full stop already. */
export function asSentence(words: string): string {
  return /[.!?…][”"“»)]*$/.test(words) ? words : `${words}.`;
}

/** A sentence in front of a dot: "It ended here · 2 s". */
export function withoutStop(sentence: string): string {
  return sentence.replace(/\.$/, "");
}
