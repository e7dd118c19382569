import { useState, useSyncExternalStore } from "react";
import { msg, said, t } from "../language/language";
import { LanguageSwitch } from "../language/LanguageSwitch";
import { usePage } from "../page";
import { Button } from "../ui/buttons";
import { Field } from "../ui/Field";
import formStyles from "../ui/form.module.css";
import { Logo } from "../ui/Logo";
import type { Offers } from "./api";
import styles from "./entrance.module.css";
import { PasswordField } from "./PasswordField";
import { PASSWORD_LENGTH, weakness } from "./refusals";
import { useForm } from "./use-form";

type Way = "sign-in" | "sign-up" | "guest";

const NAME_LIMIT = 40;

const WORDS: Record<Way, { title: string; intro: string; button: string; busy: string; turn: string }> = {
  "sign-in": { title: msg("Sign in"), intro: msg("Your rooms are where you left them."), button: msg("Sign in"), busy: msg("Signing in…"), turn: msg("Sign in with a password") },
  "sign-up": { title: msg("Create an account"), intro: msg("A name and a password are all it takes."), button: msg("Create account"), busy: msg("Creating…"), turn: msg("Create an account") },
  guest: { title: msg("Welcome"), intro: msg("Rooms for people, and an assistant whose answers everybody sees grow word by word."), button: msg("Come in as a guest"), busy: msg("Coming in…"), turn: msg("Come in as a guest") },
};

/** Another link may be followed while this screen is shown. */
function onPlace(changed: () => void): () => void {
  window.addEventListener("hashchange", changed);
  return () => window.removeEventListener("hashchange", changed);
}

/** The first screen: the ways in that the server offers, one at a time. */
export function Entrance({ offers, reason }: { offers: Offers; reason: string | null }) {
  const { session, api } = usePage();
  const [way, setWay] = useState<Way>(() => firstWay(offers, session.lastName !== ""));
  const place = useSyncExternalStore(onPlace, () => location.hash);
  const ways = (["sign-in", "sign-up", "guest"] as const).filter((each) => isOffered(each, offers));
  return (
    <main className={styles.gate}>
      <div className={styles.card}>
        <Logo size={44} />
        <h1>{t(WORDS[way].title)}<span className="visually-hidden"> · Hubline Chat</span></h1>
        {reason ? <p role="status" className={styles.reason}>{said(reason)}</p> : <p className={styles.intro}>{t(WORDS[way].intro)}</p>}
        {offers.openId && (
          <div className={styles.provider}>
            <a href={api.openIdUrl(place)}>{t("Sign in with {provider}", { provider: offers.openId })}</a>
          </div>
        )}
        <WayIn key={way} way={way} lastName={session.lastName} />
        {ways.length > 1 && (
          <div className={styles.others}>
            <span>{t("or")}</span>
            {ways.filter((each) => each !== way).map((each) => (
              <Button key={each} onClick={() => setWay(each)}>{t(WORDS[each].turn)}</Button>
            ))}
          </div>
        )}
        <LanguageSwitch />
      </div>
    </main>
  );
}

/** Whoever was here before signs in; a newcomer takes the shortest way. */
export function firstWay(offers: Offers, known: boolean): Way {
  if (known) return "sign-in";
  return offers.guests ? "guest" : "sign-in";
}

function isOffered(way: Way, offers: Offers): boolean {
  return way === "sign-in" || (way === "guest" ? offers.guests : offers.signUp);
}

function WayIn({ way, lastName }: { way: Way; lastName: string }) {
  const { session } = usePage();
  const [name, setName] = useState(way === "sign-in" ? lastName : "");
  const [password, setPassword] = useState("");
  const enter = { "sign-in": () => session.signIn(name.trim(), password), "sign-up": () => session.signUp(name.trim(), password), guest: () => session.enterAsGuest(name.trim()) };
  const form = useForm(async () => {
    if (name.trim() === "") return form.refuse({ field: "name", text: t("Please give a name."), until: null });
    const weak = way === "sign-up" ? weakness(password) : way === "sign-in" && password === "" ? t("Please give your password.") : null;
    if (weak) return form.refuse({ field: "password", text: weak, until: null });
    await enter[way]();
  });
  const known = name !== "" && way === "sign-in";
  return (
    <form ref={form.ref} className={formStyles.form} onSubmit={form.onSubmit} noValidate aria-busy={form.busy}>
      <Field label={t("Your name")} name="name" required maxLength={NAME_LIMIT} autoFocus={!known} value={name} error={form.at("name")}
        autoComplete={way === "guest" ? "nickname" : "username"} autoCapitalize="words" spellCheck={false}
        hint={way === "guest" && t("No password. What you write stays; your place is kept until you sign out.")}
        onChange={(event) => setName(event.target.value)} />
      {way !== "guest" && (
        <PasswordField label={t("Password")} name="password" required autoFocus={known} value={password} error={form.at("password")}
          autoComplete={way === "sign-in" ? "current-password" : "new-password"}
          hint={way === "sign-up" && t("At least {length} characters; a few unrelated words are good.", { length: PASSWORD_LENGTH })}
          onChange={(event) => setPassword(event.target.value)} />
      )}
      {form.at(null) !== null && <p role="alert" className={formStyles.refusal}>{form.at(null)}</p>}
      <Button look="primary" type="submit" disabled={form.busy || form.wait > 0}>
        {form.wait > 0 ? t("Try again in {seconds} s", { seconds: form.wait }) : t(form.busy ? WORDS[way].busy : WORDS[way].button)}
      </Button>
    </form>
  );
}
