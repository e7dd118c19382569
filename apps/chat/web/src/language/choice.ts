import type { Box } from "../ui/storage";
import { Store } from "../ui/store";
import { LANGUAGES, speak, type Catalogue, type Language } from "./language";

/** Each catalogue is a file of its own, which only its readers fetch. */
const CATALOGUES: Record<Exclude<Language, "en">, () => Promise<{ texts: Catalogue }>> = {
  de: () => import("./de"),
  es: () => import("./es"),
};

/** The language of this browser's page: as the browser asks for it, or as its reader has chosen. */
export class LanguageChoice {
  readonly value: Store<Language | "system">;
  /** The one that is spoken now. */
  readonly spoken = new Store<Language>("en");
  readonly #box: Box;
  readonly #wanted: readonly string[];

  constructor(box: Box, wanted: readonly string[] = globalThis.navigator?.languages ?? []) {
    this.#box = box;
    this.#wanted = wanted;
    const known = box.read("language");
    this.value = new Store<Language | "system">(isLanguage(known) ? known : "system");
  }

  /** Speaks the language of the choice. One whose catalogue does not come is replaced by English. */
  async begin(): Promise<void> {
    await this.#speak(this.value.value).catch(() => this.#speak("en"));
  }

  /** Raises an error, and changes nothing, when the catalogue does not come. */
  async choose(choice: Language | "system"): Promise<void> {
    await this.#speak(choice);
    this.value.set(choice);
    if (choice === "system") this.#box.remove("language");
    else this.#box.write("language", choice);
  }

  async #speak(choice: Language | "system"): Promise<void> {
    const language = choice === "system" ? languageFor(this.#wanted) : choice;
    const texts = language === "en" ? {} : (await CATALOGUES[language]()).texts;
    speak(language, texts, this.#wanted.find((tag) => primary(tag) === language));
    if (typeof document !== "undefined") document.documentElement.lang = language;
    this.spoken.set(language);
  }
}

/** The first of the wanted languages (BCP 47 tags) that the page can speak, or English. */
export function languageFor(wanted: readonly string[]): Language {
  return wanted.map(primary).find(isLanguage) ?? "en";
}

function primary(tag: string): string {
  return tag.toLowerCase().split("-")[0] ?? "";
}

function isLanguage(value: string | null): value is Language {
  return (LANGUAGES as readonly (string | null)[]).includes(value);
}
