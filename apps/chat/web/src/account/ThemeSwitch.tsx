import { msg, t } from "../language/language";
import { usePage } from "../page";
import { useValue } from "../ui/store";
import styles from "./account.module.css";
import type { Theme } from "./theme";

const THEMES: readonly [Theme, string][] = [
  ["system", msg("System")],
  ["light", msg("Light")],
  ["dark", msg("Dark")],
];

export function ThemeSwitch() {
  const { theme } = usePage();
  const chosen = useValue(theme.value);
  return (
    <fieldset className={styles.themes} aria-label={t("Theme")}>
      {THEMES.map(([value, label]) => (
        <label key={value}>
          <input type="radio" name="theme" checked={chosen === value} onChange={() => theme.choose(value)} />
          {t(label)}
        </label>
      ))}
    </fieldset>
  );
}
