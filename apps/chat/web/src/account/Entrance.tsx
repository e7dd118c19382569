import { useState } from "react";
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
  "sign-in": { title: "Sign in", intro: "Your rooms are where you left them.", button: "Sign in", busy: "Signing in…", turn: "Sign in with a password" },
  "sign-up": { title: "Create an account", intro: "A name and a password are all it takes.", button: "Create account", busy: "Creating…", turn: "Create an account" },
  guest: { title: "Welcome", intro: "Rooms for people, and an assistant whose answers everybody sees grow word by word.", button: "Come in as a guest", busy: "Coming in…", turn: "Come in as a guest" },
};

/** The first screen: the ways in that the server offers, one at a time. */
export function Entrance({ offers, reason }: { offers: Offers; reason: string | null }) {
  const { session } = usePage();
  const [way, setWay] = useState<Way>(() => firstWay(offers, session.lastName !== ""));
  const ways = (["sign-in", "sign-up", "guest"] as const).filter((each) => isOffered(each, offers));
  return (
    <main className={styles.gate}>
      <div className={styles.card}>
        <Logo size={44} />
        <h1>{WORDS[way].title}<span className="visually-hidden"> · Hubline Chat</span></h1>
        {reason ? <p role="status" className={styles.reason}>{reason}</p> : <p className={styles.intro}>{WORDS[way].intro}</p>}
        <WayIn key={way} way={way} lastName={session.lastName} />
        {ways.length > 1 && (
          <div className={styles.others}>
            <span>or</span>
            {ways.filter((each) => each !== way).map((each) => (
              <Button key={each} onClick={() => setWay(each)}>{WORDS[each].turn}</Button>
            ))}
          </div>
        )}
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
    if (name.trim() === "") return form.refuse({ field: "name", text: "Please give a name.", until: null });
    const weak = way === "sign-up" ? weakness(password) : way === "sign-in" && password === "" ? "Please give your password." : null;
    if (weak) return form.refuse({ field: "password", text: weak, until: null });
    await enter[way]();
  });
  const known = name !== "" && way === "sign-in";
  return (
    <form ref={form.ref} className={formStyles.form} onSubmit={form.onSubmit} noValidate aria-busy={form.busy}>
      <Field label="Your name" name="name" required maxLength={NAME_LIMIT} autoFocus={!known} value={name} error={form.at("name")}
        autoComplete={way === "guest" ? "nickname" : "username"} autoCapitalize="words" spellCheck={false}
        hint={way === "guest" && "No password. What you write stays; your place is kept until you sign out."}
        onChange={(event) => setName(event.target.value)} />
      {way !== "guest" && (
        <PasswordField label="Password" name="password" required autoFocus={known} value={password} error={form.at("password")}
          autoComplete={way === "sign-in" ? "current-password" : "new-password"}
          hint={way === "sign-up" && `At least ${PASSWORD_LENGTH} characters; a few unrelated words are good.`}
          onChange={(event) => setPassword(event.target.value)} />
      )}
      {form.at(null) !== null && <p role="alert" className={formStyles.refusal}>{form.at(null)}</p>}
      <Button look="primary" type="submit" disabled={form.busy || form.wait > 0}>
        {form.wait > 0 ? `Try again in ${form.wait} s` : form.busy ? WORDS[way].busy : WORDS[way].button}
      </Button>
    </form>
  );
}
