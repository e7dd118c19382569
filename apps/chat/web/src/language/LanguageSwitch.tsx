import { useState } from "react";
import { usePage } from "../page";
import { useValue } from "../ui/store";
import { LANGUAGES, t, type Language } from "./language";
import styles from "./language.module.css";

/** In their own words, for those who read no other. */
const NAMES: Record<Language, string> = { en: "English", de: "Deutsch", es: "Español" };

export function LanguageSwitch() {
  const { language } = usePage();
  const chosen = useValue(language.value);
  const [failed, setFailed] = useState(false);
  const choose = (choice: Language | "system") => void language.choose(choice).then(() => setFailed(false), () => setFailed(true));
  return (
    <div className={styles.language}>
      <label>
        <span>{t("Language")}</span>
        <select value={chosen} onChange={(event) => choose(event.target.value as Language | "system")}>
          <option value="system">{t("As in the browser")}</option>
          {LANGUAGES.map((each) => <option key={each} value={each} lang={each}>{NAMES[each]}</option>)}
        </select>
      </label>
      {failed && <small role="alert">{t("The language could not be loaded.")}</small>}
    </div>
  );
}
