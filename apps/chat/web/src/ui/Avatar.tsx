import type { Person } from "../connection/contract";
import styles from "./avatar.module.css";
import { Icon } from "./Icon";

/** Initials on a colour that is always the same for one person. */
export function Avatar({ person, size = 36 }: { person: Pick<Person, "id" | "name" | "kind">; size?: number }) {
  const box = { width: size, height: size, fontSize: size * 0.38, "--hue": hueOf(person.id) };
  const assistant = person.kind === "assistant";
  return (
    <span className={`${styles.avatar} ${assistant ? styles.assistant : ""}`} style={box} aria-hidden="true" data-initials={assistant ? "" : initials(person.name)}>
      {assistant && <Icon name="spark" size={size * 0.55} />}
    </span>
  );
}

export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...(word ?? "?")][0]?.toUpperCase() ?? "").join("");
}

export function hueOf(id: string): number {
  let hash = 2166136261;
  for (const letter of id) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 16777619);
  return ((hash >>> 0) % 24) * 15;
}
